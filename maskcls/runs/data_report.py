"""What to know about data before training on it, in sentences: groups, balance, folds, geometry."""

from collections.abc import Mapping

import numpy as np

from maskcls.config.schema import Config
from maskcls.config.values import Size
from maskcls.core.errors import UserError
from maskcls.core.metrics import shown_values
from maskcls.core.tally import score_predictions
from maskcls.data.table import Table
from maskcls.folds.remarks import NO_GROUPS, fold_remarks
from maskcls.folds.splits import draw_splits
from maskcls.pixels.kept import kept_sentence
from maskcls.runs.task_settings import settled


def data_report(table: Table, config: Config, sizes: Mapping[str, int]) -> list[str]:
    """The sentences; config: of a run that would follow; sizes: images by "HEIGHTxWIDTH".

    Where these settings give no folds, the reason is among the sentences.
    """
    found = [_baseline(table)]
    by_size = {Size.parse(text): count for text, count in sizes.items()}
    if sentence := kept_sentence(config.image.crop, config.image.size, by_size):
        found.append(f"{sentence}, before it is resized to {config.image.size}")
    found.append(_groups(table))
    try:
        config = settled(config, table)
        found += [_folds(table, config), *fold_remarks(table, config.folds)]
    except UserError as e:
        found.append(str(e))
    return found


def _baseline(table: Table) -> str:
    labels = table.images["label"].to_numpy()
    most = int(np.bincount(labels, minlength=table.task.num_classes).argmax())
    values = score_predictions(table.task, labels, np.full(len(labels), most)).values
    if "auc" in table.task.metrics:
        values = {"auc": 0.5, **values}  # all ranks are equal
    # A class alone has no log loss.
    metric = table.task.metric if table.task.metric in values else next(iter(values))
    return f"if one always answers {table.task.classes[most]}: {shown_values(metric, values, 3)}"


def _groups(table: Table) -> str:
    if not table.task.has_groups:
        return NO_GROUPS
    sizes = table.groups["num_images"].to_numpy()
    largest = int(sizes.argmax())
    return (
        f"groups: {len(sizes):,}, of {int(np.median(sizes))} images in the median; the largest,"
        f" {table.groups['group'].iloc[largest]}, has {sizes[largest]:,}"
        f" ({100 * sizes[largest] / sizes.sum():.2g} %)"
    )


def _folds(table: Table, config: Config) -> str:
    drawn = draw_splits(table, config.folds)
    fold = drawn.loc[drawn["repeat"] == 0, "fold"].to_numpy()
    if "image" not in drawn:
        fold = fold[table.images["group"].cat.codes.to_numpy()]
    held_out = fold >= 0
    if not held_out.any():
        return "no validation set"
    labels = table.images["label"].to_numpy()
    count = config.folds.per_repeat
    sizes = np.bincount(fold[held_out], minlength=count)
    images = np.bincount(labels, minlength=table.task.num_classes)
    rarest = int(np.where(images > 0, images, images.max() + 1).argmin())
    of_rarest = np.bincount(fold[held_out & (labels == rarest)], minlength=count)
    return (
        f"{config.folds.scheme}: {count} folds of {_range(sizes)} validation images;"
        f" {table.task.classes[rarest]}, the rarest class, {_range(of_rarest)} in each"
    )


def _range(numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
