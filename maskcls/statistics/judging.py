"""Intervals of a score: of its ranking metric, its classes and parts, from one bootstrap."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.interval import Interval
from maskcls.core.metrics import SHARES, Score
from maskcls.core.task import Task
from maskcls.statistics.intervals import interval_of
from maskcls.statistics.measures import Measure, Outcome, measure_of, measure_of_outcome
from maskcls.statistics.resampling import RESAMPLES, Statistic
from maskcls.statistics.rows import Rows
from maskcls.statistics.sums import Float64, PredictedSums, macro_f1

NO_GROUPS = (
    "each image counts as a group of its own: if several show one thing, the interval is too narrow"
)
ONE_GROUP = "all images are of one group, so that nothing tells how groups differ"


@dataclass(frozen=True)
class Intervals:
    """Of the ranking metric, of each class's F1, of each part's macro F1; None where not known."""

    whole: Interval | None
    classes: tuple[Interval | None, ...]
    parts: dict[str, Interval | None]

    def in_score(self, score: Score) -> Score:
        """The score with the intervals of its classes and parts."""
        of_class = zip(score.per_class, self.classes, strict=True)
        return replace(
            score,
            per_class=tuple(replace(one, interval=found) for one, found in of_class),
            parts={
                name: replace(part, interval=self.parts[name]) for name, part in score.parts.items()
            },
        )


def intervals_of(task: Task, outcome: Outcome, resamples: int = RESAMPLES) -> Intervals:
    """The 95 % intervals of rows that are a score's; see statistics/intervals.py for the method."""
    parts = [part.name for part in task.parts] if len(task.parts) > 1 else []
    num_groups = int(outcome.groups.max(initial=-1)) + 1
    # F1 of classes and parts are shares, whatever the ranking metric is.
    shares = [task.metric in SHARES, *[True] * (task.num_classes + len(parts))]
    every = interval_of(_all(task, outcome, parts), num_groups, resamples, shares=shares)
    found = [_known(one) for one in every]
    # A metric of probabilities is not known where only answers are.
    has_whole = _ranking(task, outcome) is not None
    last = 1 + task.num_classes
    return Intervals(
        _of_width(found[0]) if has_whole else None,
        tuple(_of_width(one) for one in found[1:last]),
        dict(zip(parts, map(_of_width, found[last:]), strict=True)),
    )


def ranking_interval(task: Task, rows: Rows, resamples: int = RESAMPLES) -> Interval | None:
    """The 95 % interval of the ranking metric of these rows; None where it cannot be told."""
    is_share = task.metric in SHARES
    (found,) = interval_of(measure_of(task, rows), rows.num_groups, resamples, shares=is_share)
    return _of_width(_known(found))


def _known(found: Interval) -> Interval | None:
    return found if np.isfinite([found.low, found.high]).all() else None


def _of_width(found: Interval | None) -> Interval | None:
    # A value of 0 or 1 in all resamples is not a sure one: a bootstrap cannot tell.
    return found if found is not None and found.low < found.high else None


def _ranking(task: Task, outcome: Outcome) -> Measure | None:
    needs = {"auc": outcome.ranks, "log_loss": outcome.losses}
    if task.metric in needs and needs[task.metric] is None:
        return None
    return measure_of_outcome(task, outcome, task.metric)


def _all(task: Task, outcome: Outcome, parts: list[str]) -> Statistic:
    """[B, 1 + K + number of parts] at weights."""
    ranking = _ranking(task, outcome)
    sums = PredictedSums(outcome.labels, outcome.predicted, outcome.groups, task.num_classes)
    of_parts = [_part_sums(task, outcome, name) for name in parts]

    def at(weights: npt.NDArray[Any]) -> Float64:
        whole = np.full(len(weights), np.nan) if ranking is None else ranking(weights)
        found = sums.at(weights)
        both = found.labels + found.predicted
        # Of a class that a resample lacks, F1 is not defined, and not 0.
        of_class = np.divide(2 * found.hits, both, out=np.full_like(both, np.nan), where=both > 0)
        each = [macro_f1(part.at(weights), task.absent) for part in of_parts]
        return np.column_stack([whole, of_class, *each])

    return at


def _part_sums(task: Task, outcome: Outcome, name: str) -> PredictedSums:
    labels, predicted = task.codes_of(outcome.labels), task.codes_of(outcome.predicted)
    size = len(task.part(name).values)
    return PredictedSums(labels[name], predicted[name], outcome.groups, size)


def drawn_from(groups: int, images: int) -> str:
    """What a bootstrap draws, in words: "60 groups"; of one image each they are "60 images"."""
    unit = "image" if groups == images else "group"
    return f"{groups:,} {unit}{'' if groups == 1 else 's'}"


def note_of(groups: int, images: int) -> str | None:
    """What to know of an interval over so many groups of so many images, if anything."""
    if groups == 1:
        return ONE_GROUP
    return NO_GROUPS if groups == images else None
