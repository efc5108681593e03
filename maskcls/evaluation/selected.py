"""Which runs make an ensemble, and what it is worth: by the images that each run held out.

A held-out image's answer comes from one fold of each run (one for each repeat), an eval image's from all
of them; so what more runs add out-of-fold is rather more than they add to the submission.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.metrics import OF_PROBABILITIES, TITLES, oriented
from maskcls.core.task import Task
from maskcls.evaluation import by_group as grouping
from maskcls.evaluation.by_image import Aligned, read_aligned
from maskcls.evaluation.ensembling import Rule, combine
from maskcls.evaluation.members import Member
from maskcls.statistics.harm import FoldBelow, Without, low_folds, without_each
from maskcls.statistics.intervals import Interval
from maskcls.statistics.mixtures import Answers
from maskcls.statistics.selection import Selection, against, fit_selection

Select = Literal["none", "greedy"]


@dataclass(frozen=True)
class Chosen:
    """The members of an ensemble and why these.

    weights: the runs', None: each fold counts the same. about: entries of the provenance:
    `selection`, if one was asked for, and `comparison`. optimism: how much better the members look on
    the images by which they were chosen, than on others; higher is better, whatever the metric.
    """

    members: list[Member]
    weights: list[float] | None
    about: dict[str, Any]
    optimism: float = 0.0


def choose_members(
    members: Sequence[Member], rule: Rule, weights: Sequence[float] | None, select: Select = "none",
    by_group: bool = False,
) -> Chosen:  # fmt: skip
    """Choose among the members if asked to, and compare the ensemble with them.

    by_group: whether groups are answered; then those with one label are scored, by their images' means.
    "greedy": the weights of statistics/greedy.py where the interval of their gain over the mean of all
    lies above 0, on groups that they were not chosen on; else the mean of all. Without a selection,
    members without held-out rows are no error: `comparison` then says why there is none. Raises
    UserError for a selection that cannot be made.
    """
    task, chosen = members[0].run.task, list(members)
    given = None if weights is None else list(weights)
    if select == "none":
        try:
            aligned = read_aligned([m.run for m in chosen])
        except UserError as e:
            return Chosen(chosen, given, {"comparison": {"why": str(e)}})
        found = _compare(task, aligned, chosen, rule, given, by_group)
        return Chosen(chosen, given, {"comparison": found})
    refuse_selection(select, weights, len(members))
    if rule.startswith("vote") and task.metric in OF_PROBABILITIES:
        raise UserError(
            f"--select {select}: votes are no probabilities, which {TITLES[task.metric]} needs; use"
            " --rule logits or probs."
        )
    aligned = read_aligned([m.run for m in chosen])
    answers = _answers(task, aligned, rule, by_group)
    if answers.num_groups < 2:
        what = "one group" if answers.num_groups else "no group whose images have one label"
        raise UserError(f"--select {select}: the held-out images are of {what}; two are needed.")
    selection = fit_selection(task, answers, _fold_counts(chosen))
    about: dict[str, Any] = {
        "selection": _about(task, aligned, chosen, answers, selection, by_group)
    }
    if not selection.is_better:
        about["comparison"] = _compare(task, aligned, chosen, rule, None, by_group)
        return Chosen(chosen, None, about)
    kept = [place for place, n in enumerate(selection.weights) if n]
    of_kept = [float(selection.weights[place]) for place in kept]
    left = [chosen[place] for place in kept]
    # On the images that the weights were chosen by; the honest gain is that of the selection.
    about["comparison"] = _compare(task, aligned.of(kept), left, rule, of_kept, by_group) | {
        "in_sample": True
    }
    over = selection.over_mean
    return Chosen(left, of_kept, about, max(0.0, over.in_sample - over.value))


def refuse_selection(select: Select, weights: Sequence[float] | None, num_runs: int) -> None:
    """UserError for a selection that makes no sense."""
    if select not in ("none", "greedy"):
        raise UserError(f"--select {select}: no such selection; there are none, greedy.")
    if select == "none":
        return
    if weights is not None:
        raise UserError(f"--select {select} chooses the runs' weights; leave --weights out.")
    if num_runs < 2:
        raise UserError(f"--select {select} chooses among several runs; name two at least.")


def _fold_counts(members: Sequence[Member]) -> list[float]:
    """Weights of the runs where each fold counts the same."""
    return [float(len(member.folds)) for member in members]


def _answers(task: Task, aligned: Aligned, rule: Rule, by_group: bool) -> Answers:
    """Of the images, or by_group of the groups whose images have one label."""
    values = np.empty((len(aligned.held_out), len(aligned.images), task.num_classes), np.float32)
    for run, held_out in enumerate(aligned.held_out):
        of_rows = combine(held_out.rows.logits[None], rule, None, task.sizes)
        of_rows = np.exp(of_rows) if rule == "probs" else of_rows
        values[run] = aligned.mean_by_image(run, of_rows)
    if not by_group:
        return Answers(aligned.labels, values, aligned.groups, rule == "probs")
    # Means of images and of runs may change places: both are of what the rule averages.
    means = [grouping.by_group(aligned.labels, one, aligned.groups) for one in values]
    logits = np.stack([one.logits for one in means]).astype(np.float32)
    alone = np.arange(len(means[0].labels), dtype=np.int64)
    return Answers(means[0].labels, logits, alone, rule == "probs")


def _about(
    task: Task,
    aligned: Aligned,
    members: Sequence[Member],
    answers: Answers,
    found: Selection,
    by_group: bool,
) -> dict[str, Any]:
    """The entry `selection`. Gains: higher is better, whatever the metric."""
    return {
        "method": "greedy",
        "used": "greedy" if found.is_better else "mean",
        "metric": task.metric,
        "weights": {str(m.run): n for m, n in zip(members, found.weights, strict=True)},
        "score": _number(oriented(task.metric, found.score)),
        "best": str(members[found.best].run),
        "gain_over_best": _number(found.over_best.value),
        "interval_over_best": _pair(found.over_best.interval),
        "gain_over_mean": _number(found.over_mean.value),
        "interval_over_mean": _pair(found.over_mean.interval),
        "in_sample": {
            "gain_over_best": _number(found.over_best.in_sample),
            "gain_over_mean": _number(found.over_mean.in_sample),
        },
        "nested_parts": found.parts,
        "images_searched": found.searched,
        **_counts(aligned, answers, by_group),
    }


def _counts(aligned: Aligned, answers: Answers, by_group: bool) -> dict[str, int]:
    counts = {"images": len(aligned.images), "images_not_shared": aligned.left_out}
    counts["groups"] = answers.num_groups
    if by_group:
        counts["groups_of_several_labels"] = int(aligned.groups.max()) + 1 - answers.num_groups
    return counts


def _compare(
    task: Task, aligned: Aligned, members: Sequence[Member], rule: Rule,
    weights: Sequence[float] | None, by_group: bool,
) -> dict[str, Any]:  # fmt: skip
    """The entry `comparison`: the ensemble against its best member, harmful runs, low folds."""
    found: dict[str, Any] = {"low_folds": _low(task, aligned, members)}
    of_votes = rule.startswith("vote") and task.metric in OF_PROBABILITIES
    if len(members) < 2 or of_votes:
        return found
    answers = _answers(task, aligned, rule, by_group)
    if not answers.num_groups:
        return {"why": "no group's held-out images have one label", **found}
    shares = _fold_counts(members) if weights is None else list(weights)
    whole = answers.mean(shares)
    alone = [_score(task, answers, one) for one in answers.values]
    best = int(np.argmax(alone))
    over = against(task, answers, whole, answers.values[best])
    harmful = [one for one in without_each(task, answers, shares) if one.is_harmful]
    return {
        "metric": task.metric,
        "ensemble": _number(oriented(task.metric, _score(task, answers, whole))),
        "ensemble_interval": _value_pair(task, over.own),
        "best_member": {
            "run": str(members[best].run), "score": _number(oriented(task.metric, alone[best])),
            "interval": _value_pair(task, over.others),
        },
        "gain": _number(over.gain),
        "interval": _pair(over.interval),
        "harmful_runs": [_of_run(members, one) for one in harmful],
        **found,
        **_counts(aligned, answers, by_group),
    }  # fmt: skip


def _score(task: Task, answers: Answers, mean: npt.NDArray[np.float32]) -> float:
    ones = np.ones((1, answers.num_groups))
    return float(np.nan_to_num(answers.score_at(task, mean)(ones)[0], nan=-np.inf))


def _of_run(members: Sequence[Member], one: Without) -> dict[str, Any]:
    return {"run": str(members[one.run].run), "gain_without": one.difference, "p_adjusted": one.p}


def _low(task: Task, aligned: Aligned, members: Sequence[Member]) -> list[dict[str, Any]]:
    per_repeat = [m.run.config.folds.per_repeat for m in members]
    rows = [one.rows for one in aligned.held_out]
    found = low_folds(task, list(zip(rows, per_repeat, strict=True)))
    return [_of_fold(task, members, one) for one in found if one.is_low]


def _of_fold(task: Task, members: Sequence[Member], one: FoldBelow) -> dict[str, Any]:
    run = members[one.run].run
    repeat, fold = divmod(one.fold, run.config.folds.per_repeat)
    return {
        "run": str(run), "repeat": repeat, "fold": fold,
        "score": oriented(task.metric, one.score), "others": oriented(task.metric, one.others),
        "p_adjusted": one.p,
    }  # fmt: skip


def _pair(interval: Interval) -> list[float] | None:
    """None where nothing tells how groups differ: JSON has no NaN."""
    found = [interval.low, interval.high]
    return found if np.isfinite(found).all() else None


def _value_pair(task: Task, interval: Interval) -> list[float] | None:
    """Of a score's interval that of the metric's value; None also for one without width, which a
    bootstrap gives of what is the same in all resamples."""
    if not interval.low < interval.high:
        return None
    return sorted(oriented(task.metric, bound) for bound in (interval.low, interval.high))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
