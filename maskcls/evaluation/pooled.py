"""The held-out rows of the runs of an ensemble, combined as its answers are.

An image is held out once by each split, which is a repeat of a run. Of several, its logits are averaged
row by row with the weights of the runs, over the images that all of them held out.

For decision, calibration and forecast (decided.py), which need each network's own rows and the rule's
mean of logits, probabilities or votes over all splits at once, whose weights may differ. by_image.py
takes each run's mean for itself, to choose among runs; aligned.py keeps repeats apart, to compare them
in pairs. Where labels differ between runs, which those refuse, this one leaves the image out: a
submission is still wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Task
from maskcls.evaluation import ensembling
from maskcls.evaluation.by_group import by_group
from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.held_out import HeldOut, read_held_out
from maskcls.statistics.rows import Rows, numbered
from maskcls.store.run import Run

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Combining:
    """How members become one answer.

    weights: of each run, None for its number of folds. by_group: whether the rows are groups.
    """

    rule: Rule
    weights: Sequence[float] | None = None
    by_group: bool = False


@dataclass(frozen=True)
class Pooled:
    """Held-out rows of several runs.

    own: those of all networks, each with its logits; folds number the networks over the runs. starts:
    number of each run's first. splits: for each split the rows of `own` of the images that all share, in
    one order. weights: of the splits.
    """

    task: Task
    own: Rows
    starts: list[int]
    splits: list[Int64]
    weights: Float64
    how: Combining

    def combined(
        self, logits: npt.NDArray[Any] | None = None, shift: Float64 | None = None
    ) -> Rows:
        """The shared images, or groups of one label, with their combined scores.

        logits: of `own`, [N, K], such as calibrated ones; None for its own. shift: [K], added to each
        image's scores.
        """
        values = self.own.logits if logits is None else logits
        stacked = np.stack([values[split] for split in self.splits])
        scores = ensembling.combine(stacked, self.how.rule, self.weights, self.task.sizes)
        if shift is not None:
            scores = ensembling.shifted(scores, shift, self.how.rule)
        first = self.splits[0]
        labels, groups, folds = (
            self.own.labels[first],
            self.own.groups[first],
            self.own.folds[first],
        )
        if not self.how.by_group:
            return Rows(labels, scores, numbered(groups), folds)
        is_probs = self.how.rule == "probs"
        found = by_group(labels, np.exp(scores) if is_probs else scores, groups)
        fold_of = np.zeros(self.own.num_groups, np.int64)
        fold_of[groups[::-1]] = folds[::-1]  # of several the first
        with np.errstate(divide="ignore"):
            means = np.log(found.logits) if is_probs else found.logits
        places = np.arange(len(found.labels), dtype=np.int64)
        return Rows(found.labels, means, places, fold_of[found.groups])


def why_not_pooled(runs: Sequence[Run]) -> str:
    """Why runs have no held-out rows to fit on, in a few words; "" where they have."""
    for run in runs:
        if run.config.folds.scheme == "all":
            return f"{run} has no held-out images (folds.scheme=all)"
        if run.config.folds.scheme == "image" and run.task.has_groups:
            return (
                f"{run} was trained on images of the groups that it held out (folds.scheme=image)"
            )
        if not run.is_collected:
            return f"not all folds of {run} are done and collected"
    return ""


def pool(runs: Sequence[Run], how: Combining) -> Pooled | str:
    """Read the held-out rows of runs; why not, in a few words, where they share too few images."""
    if reason := why_not_pooled(runs):
        return reason
    found = [read_held_out(run) for run in runs]
    images, groups = _numbers([one.images for one in found]), _numbers(_groups(found))
    starts = np.cumsum([0, *(run.config.folds.total for run in runs)]).tolist()
    own = Rows(
        np.concatenate([one.rows.labels for one in found]),
        np.concatenate([one.rows.logits for one in found]),
        np.concatenate(groups),
        np.concatenate([one.rows.folds + at for one, at in zip(found, starts, strict=False)]),
    )
    splits, weights, start = [], [], 0
    for number, (run, one) in enumerate(zip(runs, found, strict=True)):
        per_repeat, repeats = run.config.folds.per_repeat, run.config.folds.repeats
        # As the eval logits are weighted: by the number of folds, or as asked for.
        weight = run.config.folds.total if how.weights is None else how.weights[number]
        for repeat in range(repeats):
            rows = np.flatnonzero(one.rows.folds // per_repeat == repeat)
            splits.append(start + rows)
            weights.append(weight / repeats)
        start += len(one.rows)
    shared = _shared(splits, np.concatenate(images), own)
    if not len(shared[0]):
        return "the runs held out no image in common"
    task = runs[0].task
    pooled = Pooled(task, own, starts[:-1], shared, np.array(weights, np.float64), how)
    if how.by_group and not len(pooled.combined()):
        return "no group's held-out images have one label"
    return pooled


def _groups(found: Sequence[HeldOut]) -> list[npt.NDArray[Any]]:
    return [one.groups[one.rows.groups] for one in found]


def _numbers(names: Sequence[npt.NDArray[Any]]) -> list[Int64]:
    """Numbers of names over several tables."""
    whole = numbered(np.concatenate(names))
    return np.split(whole, np.cumsum([len(one) for one in names])[:-1])


def _shared(splits: list[Int64], images: Int64, own: Rows) -> list[Int64]:
    """Of each split the rows of the images that all have, with the same label."""
    common = reduce(np.intersect1d, [images[rows] for rows in splits])
    found = []
    for rows in splits:
        rows = rows[np.argsort(images[rows], kind="stable")]
        found.append(rows[np.isin(images[rows], common)])
    # Where runs were trained with other corrections, nobody knows which label is right.
    same = np.all([own.labels[rows] == own.labels[found[0]] for rows in found], axis=0)
    # In the table's order, not that of the names.
    order = np.argsort(found[0][same], kind="stable")
    return [rows[same][order] for rows in found]
