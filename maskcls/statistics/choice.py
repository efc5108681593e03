"""The choice among ways to decide: argmax, tuned weights, the prior's correction, both.

With an estimated prior rows of class k count q_k / pi_k, so that all candidates are compared by the
metric as it is expected where the classes have the shares q. Answers of tuned weights are nested (see
decision.py); the intervals are of paired differences to argmax, by resampling groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import SHARES, TITLES, oriented
from maskcls.core.task import Task
from maskcls.statistics.cells import values_under
from maskcls.statistics.decision import (
    DECIDED,
    Decision,
    Tuned,
    judged,
    no_decision,
    tune,
    values_of,
    why_not,
)
from maskcls.statistics.intervals import LEVEL, Interval, interval_of
from maskcls.statistics.measures import measure_of
from maskcls.statistics.pairs import Pairs
from maskcls.statistics.resampling import RESAMPLES, Statistic, estimate, replicates
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]
_RESAMPLES = 500
Decide = Literal["argmax", "tuned", "auto"]


@dataclass(frozen=True)
class Corrected:
    """Rows as the prior corrects them: rows.logits are calibrated and have log(q / pi) added already.

    ratio: q / pi, [K]. possible: the same of draws from the shares' posterior, [D, K]; None: they are
    known.
    """

    rows: Rows
    ratio: Float64
    possible: Float64 | None = None


@dataclass(frozen=True)
class Chosen:
    """The decision; corrected: whether the prior's correction is part of it.

    answers: [N], what it says of each held-out row, by weights that were not fitted on it. optimism: how
    much better the metric looks for having been chosen as the best; see choice_optimism.
    """

    decision: Decision
    corrected: bool
    answers: npt.NDArray[Any]
    optimism: float = 0.0


@dataclass(frozen=True)
class _Candidate:
    rule: str
    corrected: bool
    answers: npt.NDArray[Any]
    tuned: Tuned | None

    @property
    def name(self) -> str:
        return self.rule + (", corrected" if self.corrected else "")


def choose(task: Task, decide: Decide, rows: Rows, corrected: Corrected | None = None) -> Chosen:
    """Choose how classes are decided.

    rows: held-out rows whose logits come about as those of the answers. corrected: the same rows,
    where a prior is to be used. decide: "argmax" fits nothing (and corrects if it can); "tuned" takes
    the tuned candidate with the best nested metric; "auto" the candidate with the best one among those
    whose gain over plain argmax has an interval above 0, else plain argmax. Where the shares are an
    estimate, "auto" first chooses without it, and then a candidate that the estimate has a part in
    only if its gain over that one has an interval above 0, as groups and shares are drawn.
    """
    if decide == "auto" and corrected is not None and corrected.possible is not None:
        return _choose_under_estimate(task, rows, corrected, corrected.possible)
    plain = _Candidate("argmax", False, rows.logits.argmax(axis=1), None)
    candidates = [plain]
    if corrected is not None:
        answers = corrected.rows.logits.argmax(axis=1)
        candidates.append(_Candidate("argmax", True, answers, None))
    reason = why_not(task, rows)
    if not reason and decide != "argmax":
        candidates += _tuned(task, rows, corrected)
    if len(candidates) == 1:
        return Chosen(no_decision(task, reason or "as asked for"), False, plain.answers)
    ratio = None if corrected is None else corrected.ratio
    values, intervals = judged(task, rows, [one.answers for one in candidates], ratio)
    order = sorted(range(1, len(candidates)), key=lambda place: -values[place])
    wanted = [p for p in order if decide != "tuned" or candidates[p].tuned or reason]
    place = wanted[0]
    better = [p for p in wanted if intervals[p].low > 0]
    if decide == "auto" and better:
        place = better[0]
    one = candidates[place]
    found = Decision(
        one.rule, one.tuned.log_weights if one.tuned else np.zeros(task.num_classes), values[place],
        values[0], values[place] - values[0], intervals[place], one.tuned.shrink if one.tuned else 0.0,
        reason or "as asked for", one.name,
    )  # fmt: skip
    statistic = values_of(task, rows, [one.answers for one in candidates], ratio)
    optimism = choice_optimism(task, statistic, rows.num_groups)
    if decide != "auto":
        return Chosen(found, one.corrected, one.answers, optimism)
    if not better:
        why = f"nothing is surely better on held-out {TITLES[task.metric]}"
        return Chosen(_refused(found, reason or why), False, plain.answers)
    why = f"the best held-out {TITLES[task.metric]} of those that are surely better than argmax"
    return Chosen(replace(found, why=why), one.corrected, one.answers, optimism)


def _choose_under_estimate(
    task: Task, rows: Rows, corrected: Corrected, possible: Float64
) -> Chosen:
    """What is chosen without the estimate, unless what is chosen with it is surely better than that."""
    without = choose(task, "auto", rows)
    under = choose(task, "auto", rows, replace(corrected, possible=None))
    plain = rows.logits.argmax(axis=1)
    drawn = values_under(task, rows, [without.answers, under.answers], possible, _RESAMPLES)
    gains = drawn[:, 1] - drawn[:, 0]
    gains = gains[np.isfinite(gains)]
    if len(gains) and np.quantile(gains, (1 - LEVEL) / 2) > 0:
        return under
    is_refused = under.corrected or under.decision.rule != "argmax"
    why = "; nor is any with the estimated shares, which are unsure" if is_refused else ""
    if without.decision.rule == "argmax":
        return replace(under, decision=_refused(under.decision, without.decision.why + why),
                       corrected=False, answers=plain, optimism=0.0)  # fmt: skip
    why = (
        "; none with the estimated shares, which are unsure, is surely better" if is_refused else ""
    )
    (argmax, value), (_, interval) = judged(task, rows, [plain, without.answers], corrected.ratio)
    decision = replace(
        without.decision, value=value, plain=argmax, gain=value - argmax, interval=interval,
        why=without.decision.why + why,
    )  # fmt: skip
    return replace(without, decision=decision)


def _refused(decision: Decision, why: str) -> Decision:
    """Argmax instead of this decision, whose worth it has."""
    nothing = np.zeros(len(decision.log_weights))
    return replace(decision, rule="argmax", log_weights=nothing, shrink=0.0, why=why)


def choice_optimism(task: Task, statistic: Statistic, num_groups: int) -> float:
    """How much better the best candidate looks than it is, since it was chosen for looking best.

    statistic: the metric of each candidate [B, C]. In resamples of the groups the best one is chosen
    anew; how much more it gains there than the candidates do on average is the optimism (Efron 1983;
    Tibshirani & Tibshirani 2009). Not negative, and higher is better, whatever the metric.
    """
    sign = oriented(task.metric, 1.0)
    drawn = sign * replicates(statistic, num_groups, _RESAMPLES)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if not len(drawn) or drawn.shape[1] < 2:
        return 0.0
    apart = drawn - sign * estimate(statistic, num_groups)
    chosen = apart[np.arange(len(drawn)), drawn.argmax(axis=1)]
    return max(0.0, float(np.nan_to_num((chosen - apart.mean(axis=1)).mean())))


def score_interval(
    task: Task, rows: Rows, answers: npt.NDArray[Any], class_ratio: Float64 | None
) -> Interval:
    """Of the metric of a rule: of its answers [N] to these rows, or for a metric of probabilities of its
    logits, those of the rows. class_ratio: see probability_values."""
    if task.metric in DECIDED:
        values, resamples = values_of(task, rows, [answers], class_ratio), RESAMPLES
    else:
        values, resamples = probability_values(task, [rows], class_ratio), _RESAMPLES
    is_share = task.metric in SHARES
    (found,) = interval_of(values, rows.num_groups, resamples, shares=is_share)
    return found


def _tuned(task: Task, rows: Rows, corrected: Corrected | None) -> list[_Candidate]:
    ratio = None if corrected is None else corrected.ratio
    tuned = tune(task, rows, ratio)
    found = [_Candidate("tuned", False, tuned.nested, tuned)]
    if corrected is not None:
        tuned = tune(task, corrected.rows, ratio)
        found.append(_Candidate("tuned", True, tuned.nested, tuned))
    return found


def choose_probabilities(
    task: Task, decide: Decide, rows: Rows, calibrated: Rows, corrected: Corrected | None = None
) -> Chosen:
    """Choose whether probabilities are calibrated, for a metric of probabilities; rule "calibrated".

    As choose, with calibrated rows in place of tuned weights: their calibration must not have been
    fitted on the row itself, and the rows of `corrected` are calibrated so, too.
    """
    candidates = [("argmax", False, rows), ("calibrated", False, calibrated)]
    if corrected is not None:
        candidates.append(("calibrated", True, corrected.rows))
    if decide == "argmax" and corrected is None:
        return Chosen(no_decision(task, "as asked for"), False, rows.logits.argmax(axis=1))
    ratio = None if corrected is None else corrected.ratio
    values, intervals = judged_probabilities(task, [one for *_, one in candidates], ratio)
    statistic = probability_values(task, [one for *_, one in candidates], ratio)
    optimism = choice_optimism(task, statistic, rows.num_groups)
    sign = oriented(task.metric, 1.0)
    order = sorted(range(1, len(candidates)), key=lambda place: -sign * values[place])
    wanted = order if decide != "argmax" else [len(candidates) - 1]
    better = [place for place in wanted if intervals[place].low > 0]
    place = better[0] if decide == "auto" and better else wanted[0]
    rule, is_corrected, of_rule = candidates[place]
    found = Decision(
        rule, np.zeros(task.num_classes), values[place], values[0],
        sign * (values[place] - values[0]), intervals[place], 0.0, "as asked for",
        rule + (", corrected" if is_corrected else ""),
    )  # fmt: skip
    if decide == "auto" and not better:
        why = f"calibration does not surely improve held-out {TITLES[task.metric]}"
        found, is_corrected, of_rule = replace(found, rule="argmax", why=why), False, rows
        optimism = 0.0
    elif decide == "auto":
        found = replace(found, why=f"the best held-out {TITLES[task.metric]}")
    return Chosen(found, is_corrected, of_rule.logits.argmax(axis=1), optimism)


def judged_probabilities(
    task: Task, candidates: Sequence[Rows], class_ratio: Float64 | None, resamples: int = _RESAMPLES
) -> tuple[list[float], list[Interval]]:
    """The metric of each of some logits of the same rows, and the interval of its gain over the first.

    The gain is positive for better ones, whatever the metric. Fewer resamples than elsewhere: AUC sorts
    all rows in each.
    """
    values = probability_values(task, candidates, class_ratio)
    groups = candidates[0].num_groups

    def gains(weights: npt.NDArray[Any]) -> Float64:
        found = values(weights)
        return np.asarray(oriented(task.metric, 1.0) * (found - found[:, :1]))

    whole = values(np.ones((1, groups)))[0]
    return whole.tolist(), interval_of(gains, groups, resamples)


def probability_values(
    task: Task, candidates: Sequence[Rows], class_ratio: Float64 | None
) -> Statistic:
    """The metric of each of some logits of the same rows [B, C], as a function of the groups' weights.

    class_ratio: [K], rows of a class count this much; None: once.
    """
    pairs = Pairs(candidates[0])
    measures = [measure_of(task, pairs.as_groups(one)) for one in candidates]

    def values(weights: npt.NDArray[Any]) -> Float64:
        of_pairs = pairs.weights(weights, class_ratio)
        return np.stack([measure(of_pairs) for measure in measures], axis=1)

    return values
