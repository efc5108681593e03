"""A fold's training and validation rows with their labels, and the pixels of the row numbers.

Row numbers are consecutive: the table's, then those of the extra folder, then the eval images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.task import Task
from maskcls.folds import rows as fold_rows
from maskcls.pixels.cache import CachedPixels, CachePlace, open_cache
from maskcls.sampling.training_rows import RowCopies, TrainingLabels, training_rows
from maskcls.store.folder import Folder
from maskcls.store.run import EXTRA_TABLE, PSEUDO
from maskcls.store.tables import read_arrow
from maskcls.training.feed import Pixels
from maskcls.training.job import FoldJob

Int64 = npt.NDArray[np.int64]


def open_pixels(place: CachePlace) -> CachedPixels:
    """The decoded images; RuntimeError when they were deleted since the run started."""
    pixels = open_cache(place)
    if pixels is None:
        raise RuntimeError(f"{place.folder}: the decoded pixels are missing or damaged; run again")
    return pixels


@dataclass(frozen=True)
class FoldData:
    """Everything about rows that a fold needs.

    labels: official classes of the table's rows, int64 [N]. held_out: rows of the table, int64.
    labelled, training: of all rows that may train. sources: pixels, in the order of the row numbers.
    """

    labels: Int64
    held_out: Int64
    labelled: TrainingLabels
    training: RowCopies
    sources: list[Pixels]


def read_fold_data(job: FoldJob) -> FoldData:
    """Read a fold's rows from the run's folder and open its pixels.

    Raises UserError when one of the two sides has no image left.
    """
    run, config = Folder.at(job.run), job.config
    cached = open_pixels(job.pixels)
    rows = fold_rows.read_fold_rows(run, job.fold, config.folds.per_repeat, set(cached.faults))
    sources, candidates = [cached.pixels], [rows.train]
    classes, ages, groups = [rows.train_labels], [rows.train_ages], [rows.group]
    start = len(rows.labels)
    if job.extra_pixels is not None:
        extra = open_pixels(job.extra_pixels)
        table = read_arrow(run, EXTRA_TABLE)
        codes = table["group"].combine_chunks().dictionary_encode().indices.to_numpy()
        # Groups of the extra folder get codes after those of the table: limits per group must not take
        # two of them for one.
        classes.append(table["train_label"].to_numpy().astype(np.int64))
        ages.append(table["train_age"].to_numpy().astype(np.int64))
        groups.append(codes.astype(np.int64) + int(rows.group.max(initial=-1)) + 1)
        sources.append(extra.pixels)
        candidates.append(start + _sound(extra))
        start += len(extra.pixels)
    if config.rows.pseudo_labels != "none" and job.eval_pixels is not None:
        evals = open_pixels(job.eval_pixels)
        pseudo = read_arrow(run, PSEUDO).to_pandas()
        mine = pseudo[pseudo["fold"] == job.fold]
        # Pseudo-labels have no year of age: an image counts as the median of its age group's training
        # images. The zeros of rows without a pseudo-label are placeholders that never train.
        own = np.zeros(len(evals.pixels), np.int64)
        own[mine["row"]] = mine["label"]
        classes.append(own)
        ages.append(_typical_ages(rows, own, job.task))
        # Which group they are of is not known, so no limit per group applies to them.
        groups.append(np.full(len(own), -1, np.int64))
        sources.append(evals.pixels)
        candidates.append(start + np.intersect1d(mine["row"].to_numpy(), _sound(evals)))
    labelled = TrainingLabels(np.concatenate(classes), np.concatenate(ages), np.concatenate(groups))
    # Before rows are dropped or copied by settings, whose own message would hide the real cause.
    if not len(rows.train) or not (len(rows.held_out) or config.folds.scheme == "all"):
        raise UserError(
            f"fold {job.fold}: no image of its training or validation set can be decoded."
        )
    try:
        training = training_rows(np.concatenate(candidates), labelled, config.rows, job.task)
    except ValueError as e:
        raise UserError(f"fold {job.fold}: {e}.") from e
    return FoldData(rows.labels, rows.held_out, labelled, training, sources)


def _sound(cached: CachedPixels) -> Int64:
    return np.setdiff1d(np.arange(len(cached.pixels)), list(cached.faults)).astype(np.int64)


def _typical_ages(rows: fold_rows.FoldSplit, classes: Int64, task: Task) -> Int64:
    """Median age of the training images of each class's age group, int64, of classes [M]; else 0."""
    part = task.numbered
    if part is None:
        return np.zeros(len(classes), np.int64)
    groups = task.codes_of(rows.train_labels[rows.train])[part.name]
    ages = rows.train_ages[rows.train]
    middle = part.scale[0] if part.scale else 0
    typical = [
        np.median(ages[groups == g]) if (groups == g).any() else middle
        for g in range(len(part.values))
    ]
    return np.array(typical, np.int64)[task.codes_of(classes)[part.name]]
