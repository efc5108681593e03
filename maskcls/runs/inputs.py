"""Training data besides the table: corrected labels, an extra folder, pseudo-labels.

Read and checked by the command before anything starts, and written into the run's folder, from which
the folds read them; their fingerprints are part of the run's identity.
"""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.augment.partners import partners_asked, pool_of
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.hashing import combine
from maskcls.core.names import nfc, some
from maskcls.core.task import Task, differences_of_parts
from maskcls.data.find_task import find_task
from maskcls.data.table import Table, read_data
from maskcls.evaluation.ensembling import softmax
from maskcls.folds.equal_files import rows_among
from maskcls.runs.dataset import DataSet, Images, images_of
from maskcls.sampling.corrections import CorrectedLabels, read_corrections, train_labels
from maskcls.sampling.training_rows import TrainingLabels, training_rows, training_task
from maskcls.store.folder import Folder
from maskcls.store.record import Described
from maskcls.store.run import EVAL_LOGITS, EVAL_TABLE, FOLDS, Run
from maskcls.store.tables import logits_of, read_arrow, read_table

PUBLISHED = "published"
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Inputs:
    """train: labels of the table's rows to train with. extra, extra_images: the extra folder's rows
    (extra_table.parquet) and images. pseudo: row (of an eval image), fold, label, probability.
    described: fingerprints for the record. notes: messages for the user.
    """

    train: CorrectedLabels
    extra: pa.Table | None
    extra_images: Images | None
    pseudo: pd.DataFrame | None
    described: Described = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_inputs(config: Config, data: DataSet, folds: pd.DataFrame, cache: Path) -> Inputs:
    """Read what the section rows names; raises UserError for errors in it.

    It is also an error if a fold has no training rows left, or a mixing transform no partner.
    """
    rows, notes = config.rows, list[str]()
    described: Described = {}
    train = _train_labels(config, data.table, described, notes)
    extra, extra_images = None, None
    if rows.extra != "none":
        extra, extra_images = _extra(config, data, cache, described)
        notes.append(f"rows.extra: {extra.num_rows:,} more images train in every fold")
    pseudo = None
    if rows.pseudo_labels != "none":
        pseudo = _pseudo(config, data, folds, described)
        # Counted once per image: several folds may be sure of the same one.
        share = pseudo["row"].nunique()
        notes.append(
            f"rows.pseudo_labels: {share:,} eval images have a label of probability"
            f" {rows.pseudo_confidence:g} or more in some fold"
        )
    inputs = Inputs(train, extra, extra_images, pseudo, described, notes)
    # Last, as corrected ages, extra groups and pseudo-labels all change what a fold may train on.
    refuse_empty_sides(config, data, folds, inputs)
    return inputs


def _train_labels(
    config: Config, table: Table, described: Described, notes: list[str]
) -> CorrectedLabels:
    where, task = config.rows.corrections, training_task(table.task, config.rows)
    images = table.images
    if where == "none":
        return train_labels(images, task, "path", [], where)
    if where == PUBLISHED:
        content = (
            resources.files("maskcls.sampling").joinpath("published_corrections.csv").read_bytes()
        )
    else:
        folder, name = Folder.of_file(where)
        try:
            content = folder.read_bytes(name)
        except (FileNotFoundError, IsADirectoryError) as e:
            raise UserError(f"rows.corrections={where}: there is no such file.") from e
    key, corrections = read_corrections(content, where)
    train = train_labels(images, task, key, corrections, where)
    # By content and not by name: an edited file of the same name is another input.
    described["corrections"] = combine([content])
    notes.append(
        f"rows.corrections: {train.num_corrected} images train with another label;"
        f" {train.num_unknown} of {len(corrections)} rows are about people who are not in DATA"
    )
    return train


def _extra(
    config: Config, data: DataSet, cache: Path, described: Described
) -> tuple[pa.Table, Images]:
    folder, task = Folder.at(config.rows.extra), data.table.task
    try:
        file = find_task(folder, None)
    except UserError as e:
        raise UserError(f"rows.extra: {e}") from e
    table = read_data(folder, file, needs_eval=False)
    where = f"rows.extra={folder.shown}"
    classes = _same_classes(where, table.task, task)
    # Normalised, since one file system may store the same name composed and another decomposed.
    here = {nfc(name) for name in data.table.groups["group"]}
    both = [name for name in table.groups["group"] if nfc(name) in here]
    # Without groups named, equal names of images say nothing.
    if both and task.has_groups:
        raise UserError(
            f"{where}: {both[0]} is in DATA, too ({len(both)} groups are); groups that are held out must"
            " not train, so name a folder with other groups."
        )
    places = table.task.places
    images = images_of(folder.below(places.images), table.images, cache, places)
    # By their bytes, too: an image that is held out would train under another name.
    equal = np.flatnonzero(rows_among(images.digests, data.train.digests))
    if len(equal):
        raise UserError(
            f"{where}: {some(images.paths.iloc[equal[:3]].tolist(), len(equal))}: the same bytes as"
            " images of DATA; images that are held out must not train, so delete them from this folder."
        )
    labelled = table.images.assign(label=classes[table.images["label"].to_numpy()])
    # Without corrections: those are about the people of DATA.
    train = train_labels(labelled, training_task(task, config.rows), "path", [], "")
    described["extra_fingerprint"] = combine(
        [images.digests.tobytes(), train.classes.tobytes(), train.ages.tobytes()]
    )
    columns = {
        "path": pa.array(table.images["path"], pa.string()),
        "group": pa.array(table.images["group"].astype("str"), pa.string()),
        # Under the names that the run's own table has, so that folds read both alike.
        "train_label": train.classes.astype(np.int16),
        "train_age": train.ages.astype(np.int16),
    }
    return pa.table(columns), images


def _same_classes(where: str, theirs: Task, ours: Task) -> Int64:
    """Our class of each of their classes, int64 [their K]; UserError for one that is not ours."""
    place = {name: number for number, name in enumerate(ours.classes)}
    unknown = [name for name in theirs.classes if name not in place]
    if unknown:
        raise UserError(
            f"{where}: class {unknown[0]!r} is not one of DATA's ({some(ours.classes)}); name a folder"
            " with the same classes."
        )
    return np.array([place[name] for name in theirs.classes], np.int64)


def _pseudo(
    config: Config, data: DataSet, folds: pd.DataFrame, described: Described
) -> pd.DataFrame:
    """Labels for each fold, by the same fold of the other run, which did not see the held-out groups."""
    name = f"rows.pseudo_labels={config.rows.pseudo_labels}"
    if data.table.eval_images is None or data.eval_images is None:
        raise UserError(f"{name}: DATA has no eval images to label.")
    teacher = Run.at(config.rows.pseudo_labels)
    if not teacher.exists or not teacher.has_eval:
        raise UserError(f"{name}: this is not a finished run with eval images.")
    # The number of a class means the same only in the same list; metric and answers may differ.
    if other := differences_of_parts(teacher.task, data.table.task):
        raise UserError(
            f"{name}: it was trained for other classes ({other}); train that run on the same task."
        )
    # With other folds, a label could carry what its network learned from groups held out here: the
    # validation score would be too high.
    theirs = read_table(teacher.folder, FOLDS)
    if theirs.astype(str).to_numpy().tolist() != folds.astype(str).to_numpy().tolist():
        raise UserError(
            f"{name}: it has other folds, so its networks saw groups that are held out here;"
            " train it with the same groups, folds.scheme, folds.count and folds.seed."
        )
    # In any order: rows are matched by name, since the table may list the images otherwise by now.
    ids = read_arrow(teacher.folder, EVAL_TABLE)["image"].to_pylist()
    place = {image: row for row, image in enumerate(data.table.eval_images["image"])}
    if set(ids) != set(place):
        raise UserError(f"{name}: it was made for other eval images.")
    row_of = np.array([place[image] for image in ids])
    # The fingerprint as in DataSet.describe, but in the other run's order of rows.
    ours = combine(["\n".join(ids), data.eval_images.digests[row_of].tobytes()])
    # The same names are not enough: another data set may use them for other images.
    record = teacher.record()
    if record is None or record.data.get("eval_fingerprint") != ours:
        raise UserError(
            f"{name}: it was made for other eval images under the same names; train that run with"
            " those of DATA."
        )
    found = []
    for number, fold in enumerate(teacher.folds()):
        if not fold.is_done:
            raise UserError(f"{name}: its fold {number} is not done; finish that run first.")
        table = read_arrow(fold.folder, EVAL_LOGITS)
        probs = softmax(
            logits_of(table["logits"], data.table.task.num_classes)[0].astype(np.float64)
        )
        sure = probs.max(axis=1) >= config.rows.pseudo_confidence
        found.append(
            pd.DataFrame(
                {
                    "row": row_of[table["row"].to_numpy()[sure]],
                    "fold": np.full(int(sure.sum()), number, np.int16),
                    "label": probs.argmax(axis=1)[sure],
                    "probability": probs.max(axis=1)[sure],
                }
            )
        )
    pseudo = pd.concat(found, ignore_index=True)
    if training_task(data.table.task, config.rows) != data.table.task:
        # The labels keep the other run's border, as the ages of eval images are unknown.
        described["pseudo_border"] = "as the other run has it"
    described["pseudo_labels"] = combine(
        [pseudo["row"].to_numpy().tobytes(), pseudo["label"].to_numpy().tobytes()]
    )
    return pseudo


def refuse_empty_sides(config: Config, data: DataSet, folds: pd.DataFrame, inputs: Inputs) -> None:
    """UserError when the settings leave a fold without training rows, or its mix without a partner.

    folds: the expected folds.parquet. Which images cannot be decoded is not known yet; a fold's worker
    repeats the check without them.
    """
    asked, task = partners_asked(config.augment), data.table.task
    if not config.rows.drop_ages.ranges and "old" not in asked.values():
        return  # no row can be missing, and the check costs time on a table of millions of rows
    for number in range(config.folds.total):
        repeat, fold = divmod(number, config.folds.per_repeat)
        fold_of_row = _fold_of_row(data, folds[folds["repeat"] == repeat])
        candidates, labelled = _may_train(np.flatnonzero(fold_of_row != fold), number, inputs)
        try:
            rows = training_rows(candidates, labelled, config.rows, task).rows
            for name, partner in asked.items():
                pool_of(name, partner, labelled.classes, rows, task)
        # Both are raised below without the fold, which the message needs.
        except ValueError as e:
            raise UserError(f"fold {number}: {e}.") from e
        except UserError as e:
            raise UserError(f"fold {number}: {e}") from e


def _fold_of_row(data: DataSet, folds: pd.DataFrame) -> Int64:
    """Fold of each image, int64 [N]; folds: of one repeat, of groups or of images, in their order."""
    fold = folds["fold"].to_numpy().astype(np.int64)
    if "image" in folds.columns:  # folds.scheme=image: one row per image, already in table order
        return fold
    mine: Int64 = fold[data.table.images["group"].cat.codes.to_numpy()]
    return mine


def _may_train(rows: Int64, fold: int, inputs: Inputs) -> tuple[Int64, TrainingLabels]:
    """The candidates of a fold's worker: its rows, then the extra ones, then its pseudo-labels.

    rows: of the table, on the fold's training side. Numbered as in training/fold_data.py, except that
    only the eval images with a label count. Whether a group is known matters here, not which one.
    """
    classes, ages = [inputs.train.classes], [inputs.train.ages]
    candidates, start = [rows], len(inputs.train.classes)
    if inputs.extra is not None:
        classes.append(inputs.extra["train_label"].to_numpy().astype(np.int64))
        ages.append(inputs.extra["train_age"].to_numpy().astype(np.int64))
        candidates.append(np.arange(start, start + inputs.extra.num_rows))
        start += inputs.extra.num_rows
    group = np.zeros(start, np.int64)
    if inputs.pseudo is not None:
        mine = inputs.pseudo.loc[inputs.pseudo["fold"] == fold, "label"].to_numpy().astype(np.int64)
        classes.append(mine)
        ages.append(np.zeros(len(mine), np.int64))  # unknown, and -1 stands for the unknown group
        group = np.concatenate([group, np.full(len(mine), -1)])
        candidates.append(np.arange(start, start + len(mine)))
    labelled = TrainingLabels(np.concatenate(classes), np.concatenate(ages), group)
    return np.concatenate(candidates), labelled
