"""What the mean of several networks gains over one of them, estimated without labels.

Held-out rows are answered by one network each, the eval images by the mean of several. How far the
networks lie apart there tells what averaging removes: of F networks whose own errors have the variance
v, the mean has v / F. Errors cannot be taken out of the held-out rows, but more of them can be put in,
and the metric extrapolated back to fewer: SIMEX (Cook & Stefanski 1994, J. Am. Stat. Assoc. 89:1314).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Task
from maskcls.statistics.measures import Measure, measure_of
from maskcls.statistics.pairs import Pairs
from maskcls.statistics.resampling import replicates
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]

STRENGTHS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
"""Variance that is added, in units of a network's own."""
_REPEATS = 6
_RESAMPLES = 100
_FEWEST = 10
"""Images of a class from which differences are drawn; of a rarer one they are drawn from all."""
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Spread:
    """How far networks lie apart at images that none of them was trained on.

    scores: [S, K], those of one network, as the answers are decided from. apart: [S, K], the errors that
    are its own: the difference to another network's scores, divided by the root of 2. networks: how many
    are averaged, F.
    """

    scores: Float64
    apart: Float64
    networks: int


@dataclass(frozen=True)
class Gain:
    """How much the metric's value, as its name says, changes; its standard deviation."""

    value: float = 0.0
    deviation: float = 0.0


def averaging_gain(
    task: Task, rows: Rows, spread: Spread, answer: Callable[[Float64], npt.NDArray[Any]] | None,
    class_ratio: Float64, seed: int = 0,
) -> Gain:  # fmt: skip
    """The gain in the task's ranking metric.

    rows: held-out rows with the scores of one network each. answer: classes [N] of scores [N, K]; None
    for metrics of probabilities. class_ratio: how often rows of each class count, [K]. Differences are
    drawn from eval images with the same likeliest class as the row, since networks agree about some
    classes and not about others. The value is the mean of a linear and a quadratic extrapolation; the
    deviation has half their difference, and what resampling the groups changes.
    """
    if spread.networks < 2 or not len(spread.scores):
        return Gain()
    rng = np.random.default_rng([seed, 11])
    rows = _some(rows, rng)
    drawn_from = _by_class(spread.scores.argmax(axis=1), task.num_classes)
    likeliest = rows.logits.argmax(axis=1)
    scores = np.asarray(rows.logits, np.float64)
    measures: list[list[Measure]] = []
    pairs = Pairs(rows)

    def measure(noisy: Float64) -> Measure:
        predicted = None if answer is None else answer(noisy)
        return measure_of(task, pairs.as_groups(rows.with_logits(noisy)), predicted=predicted)

    for _ in range(_REPEATS):
        places = np.empty(len(rows), np.int64)
        for k in np.unique(likeliest):
            mine = likeliest == k
            places[mine] = rng.choice(drawn_from[k], mine.sum())
        errors = rng.choice([-1.0, 1.0], len(rows))[:, None] * spread.apart[places]
        measures.append([measure(scores + np.sqrt(s) * errors) for s in STRENGTHS])

    def gains(weights: npt.NDArray[Any]) -> Float64:
        of_pairs = pairs.weights(weights, class_ratio)
        values = np.stack(
            [np.mean([one[n](of_pairs) for one in measures], axis=0) for n in range(len(STRENGTHS))]
        )
        return np.stack(
            [_extrapolated(values, degree, spread.networks) for degree in (1, 2)], axis=1
        )

    linear, quadratic = gains(np.ones((1, rows.num_groups)))[0]
    drawn = replicates(gains, rows.num_groups, _RESAMPLES, seed).mean(axis=1)
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(linear + quadratic) or len(drawn) < _RESAMPLES / 2:
        return Gain()
    deviation = np.hypot(drawn.std(), (quadratic - linear) / 2)
    return Gain(float(linear + quadratic) / 2, float(deviation))


def _extrapolated(values: Float64, degree: int, networks: int) -> Float64:
    """Gains [B] of values [strengths, B]: at the variance that a mean has, less than at a network's."""
    of_fit = np.linalg.pinv(np.vander(STRENGTHS, degree + 1))
    (mean, single) = np.vander([1 / networks - 1, 0.0], degree + 1) @ of_fit
    # Not by polyfit, where one resample without a value would make all of them NaN.
    return np.asarray((mean - single) @ values)


def _by_class(likeliest: npt.NDArray[Any], num_classes: int) -> list[npt.NDArray[Any]]:
    every = np.arange(len(likeliest))
    found = [np.flatnonzero(likeliest == k) for k in range(num_classes)]
    return [one if len(one) >= _FEWEST else every for one in found]


def _some(rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows, or as many random groups of them as are enough."""
    if len(rows) <= _MOST_ROWS:
        return rows
    chosen = rng.random(rows.num_groups) < _MOST_ROWS / len(rows)
    return rows.where(chosen[rows.groups])
