"""What the submitted answers are likely to score: the metric of held-out rows under the eval shares.

A held-out row of class k counts q_k / p_k times, where q are the estimated shares and p the
training ones. The held-out rows were answered by one network each; what an average of networks gains
over one is estimated apart (averaging.py) and added.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import oriented
from maskcls.core.task import MetricName, Task
from maskcls.statistics.averaging import Gain
from maskcls.statistics.cells import Cells
from maskcls.statistics.intervals import LEVEL, Interval
from maskcls.statistics.prior import PriorEstimate, class_ratio
from maskcls.statistics.resampling import draws
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]

DRAWS = 500
_NO_GAIN = Gain()


@dataclass(frozen=True)
class Forecast:
    """The metric's expected value, as its name says, and its interval; NaN where it is not defined.

    gain: of averaging networks, which is part of the value.
    """

    metric: MetricName
    value: float
    interval: Interval
    gain: Gain


def forecast(
    task: Task, rows: Rows, answers: npt.NDArray[Any] | None, prior: PriorEstimate,
    eval_images: int, *, eval_groups: int | None = None, gain: Gain = _NO_GAIN,
    optimism: float = 0.0, seed: int = 0,
) -> Forecast:  # fmt: skip
    """The expected value of the task's ranking metric on the eval images, with a 95 % interval.

    rows: held-out rows, with the logits that the answers were made of (AUC and log loss are of
    them). answers: integers [N], what the decision says of the held-out rows by weights that were not
    fitted on them (Tuned.nested); None: the class with the highest logit. eval_images: how many are
    scored. eval_groups: of how many groups they are, None: unknown; then as many images a group as
    among the held-out rows. gain: of the average of networks that answers the eval images. optimism: how
    much better the held-out rows look since rule or members were chosen by them, not negative.

    Each draw takes shares from the prior's posterior, held-out groups with replacement, and from
    these as many groups as are scored, with the probability that they have under the shares: so the
    interval is of the score that comes back, not of its expectation. Draws are shifted by their
    mean bias, since a resample lacks groups of rare classes.
    """
    cells = Cells(task, rows, answers)
    used = prior.estimated if prior.used else prior.training
    point = cells.at(class_ratio(prior.training, used), np.ones(rows.num_groups))
    if eval_groups is not None:
        scored = max(1, eval_groups)
    else:
        scored = max(1, round(eval_images / cells.images_per_group))
    rng = np.random.default_rng([seed, 5])
    # Where the estimate is not used, its posterior is no better.
    possible = prior.draws if prior.used else prior.training[None]
    ratios = class_ratio(prior.training, possible)
    added = gain.value - oriented(task.metric, optimism)
    expected, found = np.empty(DRAWS), np.empty(DRAWS)
    every = np.ones(rows.num_groups)
    weights = (row for block in draws(rows.num_groups, DRAWS, seed) for row in block)
    for draw, weight in enumerate(weights):
        ratio = ratios[draw % len(ratios)]
        expected[draw] = cells.at(ratio, every)
        found[draw] = cells.at(ratio, cells.scored(ratio, weight, scored, rng))
    there = np.isfinite(found) & np.isfinite(expected)
    if not np.isfinite(point) or there.sum() < 20:
        unknown = Interval(LEVEL, float("nan"), float("nan"))
        return Forecast(task.metric, float(_possible(task, point + added)), unknown, gain)
    # Two samplings lower a mean F1; the held-out rows have suffered the first, the scored the second.
    lowered = float((found[there] - expected[there]).mean())
    ours, theirs = 1 / rows.num_groups, 1 / scored
    lower = lowered * (theirs - ours) / (theirs + ours)
    value = float(_possible(task, point + lower + added))
    of_gain = rng.normal(added, gain.deviation, there.sum())
    found = _possible(task, found[there] - lowered + lower + of_gain)
    tails = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = min(float(tails[0]), value), max(float(tails[1]), value)
    return Forecast(task.metric, value, Interval(LEVEL, low, high), gain)


def _possible(task: Task, values: npt.ArrayLike) -> Float64:
    """Values that the metric can have: a log loss is not negative, no other metric is above 1."""
    if task.metric == "log_loss":
        return np.maximum(values, 0.0)
    return np.minimum(values, 1.0)
