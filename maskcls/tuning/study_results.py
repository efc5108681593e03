"""What a study's finished runs say: each change's paired difference from the base."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.metrics import oriented
from maskcls.core.task import Task
from maskcls.evaluation.aligned import Scored, aligned, same_answers
from maskcls.evaluation.held_out import read_held_out
from maskcls.evaluation.own_interval import own_interval
from maskcls.evaluation.what_differs import code_that_differs
from maskcls.statistics.intervals import LEVEL
from maskcls.statistics.paired import holm, paired_difference
from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.tuning.study_plan import BASE

Outcome = Literal[
    "better", "worse", "alone", "not shown", "same", "undefined", "failed", "not trained", "no base"
]
"""alone: better or worse by itself, and not after the correction for all changes."""


@dataclass(frozen=True)
class ChangeEntry:
    """A change in study.json; see study_plan.Change."""

    text: str
    name: str
    settings: dict[str, list[Any]]


@dataclass(frozen=True)
class Compared:
    """A change against the base; scores of the task's metric, higher is better.

    base, score: mean over the seeds, with intervals at 95 % by groups (own_interval.py). difference: of
    the means, on the same held-out rows, with its interval at 95 % and p-value (statistics/paired.py).
    p_adjusted: by Holm, for all changes of the study that have a p. same_answers: as the base with the
    same seeds, to the last bit; the difference is 0 then, without interval and p. noise_from: what the
    noise of training was measured on; None: it is not in the interval. rows: compared; left_out: those
    that not every run has. failed: why, by the run's name. code: the commit and packages in which both
    sides differ. All numbers are None before a run of both sides is finished.
    """

    change: str
    name: str
    settings: dict[str, list[Any]]
    seeds: list[int]
    base_seeds: list[int]
    base: float | None = None
    score: float | None = None
    difference: float | None = None
    interval: list[float] | None = None
    p: float | None = None
    p_adjusted: float | None = None
    noise_from: str | None = None
    rows: int = 0
    left_out: int = 0
    verdict: str = ""
    failed: dict[str, str] = field(default_factory=dict)
    base_interval: list[float] | None = None
    score_interval: list[float] | None = None
    same_answers: bool = False
    code: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """What came of it; better or worse only if that holds for all changes together."""
        if self.same_answers:
            return "same"
        if self.difference is None or self.interval is None or self.p is None:
            if self.seeds:
                return "undefined" if self.base_seeds else "no base"
            return "failed" if self.failed else "not trained"
        allowed = 1 - LEVEL
        if self.interval[0] <= 0 <= self.interval[1] or self.p >= allowed:
            return "not shown"
        if self.p_adjusted is not None and self.p_adjusted >= allowed:
            return "alone"
        return "better" if self.difference > 0 else "worse"


def compare_all(
    root: Folder, task: Task, changes: Sequence[ChangeEntry], seeds: Sequence[int],
    failed: Mapping[str, str],
) -> list[Compared]:  # fmt: skip
    """Each change against the base, from the finished runs below root; the best first.

    failed: why runs have failed, by name. Raises UserError for a finished run that cannot be read, or
    shares no held-out image with the others.
    """
    base = _finished(root, BASE, seeds)
    interval = _base_interval(task, base)
    found = [_compared(root, task, change, seeds, base, failed) for change in changes]
    adjusted = holm([math.nan if one.p is None else one.p for one in found])
    found = [
        replace(one, p_adjusted=None if one.p is None else p, base_interval=interval)
        for one, p in zip(found, adjusted, strict=True)
    ]
    judged = [replace(one, verdict=_verdict(one, comparisons(found))) for one in found]
    # Those without a number last, otherwise as they were given.
    return sorted(judged, key=lambda one: math.inf if one.difference is None else -one.difference)


def comparisons(results: Sequence[Compared]) -> int:
    """The number of changes that could be found better or worse, which Holm's correction is for."""
    return sum(one.p is not None for one in results)


def _base_interval(task: Task, base: Mapping[int, Run]) -> list[float] | None:
    if not base:
        return None
    same = aligned([_scored(run) for run in base.values()])
    return _own_interval(task, base, same.rows, not same.left_out)


def _own_interval(
    task: Task, runs: Mapping[int, Run], rows: Sequence[Rows], is_whole: bool
) -> list[float] | None:
    """Of the score, so that higher is better."""
    found = own_interval(task, list(runs.values()), rows, is_whole)
    if found is None:
        return None
    return sorted(oriented(task.metric, edge) for edge in (found.low, found.high))


def _finished(root: Folder, name: str, seeds: Sequence[int]) -> dict[int, Run]:
    runs = {seed: Run(root.child(f"{name}-s{seed}")) for seed in seeds}
    return {seed: run for seed, run in runs.items() if run.exists and run.is_collected}


def _compared(
    root: Folder, task: Task, change: ChangeEntry, seeds: Sequence[int], base: Mapping[int, Run],
    failed: Mapping[str, str],
) -> Compared:  # fmt: skip
    runs = _finished(root, change.name, seeds)
    own = {n: why for n, why in failed.items() if n.rpartition("-s")[0] == change.name}
    found = Compared(
        change.text, change.name, change.settings, sorted(runs), sorted(base), failed=own
    )
    if not runs or not base:
        return found
    same = aligned([_scored(run) for run in [*base.values(), *runs.values()]])
    of_base, own_rows = same.rows[: len(base)], same.rows[len(base) :]
    found = replace(
        found,
        rows=len(same.rows[0]),
        left_out=same.left_out,
        base=_mean_score(base.values()),
        score=_mean_score(runs.values()),
        score_interval=_own_interval(task, runs, own_rows, not same.left_out),
        code=list(code_that_differs(list(base.values()), list(runs.values()))),
    )
    pairs = dict(zip(base, of_base, strict=True)), dict(zip(runs, own_rows, strict=True))
    both = [seed for seed in base if seed in runs]
    if same_answers(*([side[seed] for seed in both] for side in pairs)):
        return replace(found, same_answers=True, difference=0.0)
    paired = paired_difference(task, of_base, own_rows)
    interval = [paired.interval.low, paired.interval.high]
    return replace(
        found,
        difference=_known(paired.difference),
        interval=interval if np.isfinite(interval).all() else None,
        p=_known(paired.p),
        noise_from=paired.noise_from,
    )


def _scored(run: Run) -> Scored:
    held_out = read_held_out(run)
    return Scored(str(run), held_out, held_out.rows.folds // run.config.folds.per_repeat)


def _mean_score(runs: Any) -> float | None:
    scores = [m.oof.score.score if (m := run.metrics()) and m.oof else None for run in runs]
    return None if None in scores else float(np.mean([s for s in scores if s is not None]))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _verdict(found: Compared, compared: int) -> str:
    """The outcome in words; compared: number of comparisons in the study."""
    outcome = found.outcome
    words: dict[Outcome, str] = {
        "alone": f"{'better' if (found.difference or 0) > 0 else 'worse'} if it were the only"
        f" comparison, but not after the correction for all {compared} comparisons of the study",
        "not shown": "no difference shown",
        "same": "without effect: all answers are the same as the base's",
        "undefined": "the metric is not defined on these rows",
        "not trained": "not trained yet",
        "no base": "the base is not trained yet",
    }
    text = words.get(outcome, outcome)
    if found.p is not None and found.noise_from is None:
        text += " (training noise not measured)"
    if found.code and not found.same_answers:
        text += f"; the code differs, too ({', '.join(found.code)}), so the cause cannot be told"
    if outcome == "failed" or not found.failed:
        return text
    return f"{text}; {len(found.failed)} of its runs failed"


def headline(results: Sequence[Compared]) -> str:
    """How many changes there are of each outcome; those that could not be judged by themselves."""
    count = Counter(one.outcome for one in results)
    parts = [
        f"{count['better']} better",
        f"{count['worse']} worse",
        f"{count['alone'] + count['not shown']} without a shown difference",
    ]
    others: dict[Outcome, str] = {
        "same": "without effect",
        "undefined": "for which the metric is not defined",
        "failed": "failed",
        "not trained": "not trained",
        "no base": "without a trained base",
    }
    parts += [f"{count[outcome]} {text}" for outcome, text in others.items() if count[outcome]]
    return f"{len(results)} change{'s' * (len(results) != 1)}: {', '.join(parts)}"


def basis(results: Sequence[Compared]) -> str:
    """Of how many comparisons and seeds the p-values are; empty where there is none."""
    compared = [one for one in results if one.p is not None]
    if not compared:
        return ""
    counts = sorted({len(side) for one in compared for side in (one.seeds, one.base_seeds)})
    seeds = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
    number = comparisons(compared)
    return (
        f"Holm's correction is for {number} comparison{'s' * (number != 1)} with the base, of {seeds}"
        f" seed{'s' * (counts[-1] != 1)} on each side"
    )


def require_scores(scheme: str) -> None:
    """UserError where no fold has held-out rows to compare on."""
    if scheme == "all":
        raise UserError(
            "folds.scheme=all: it has no validation set, so a study has no scores to compare."
        )
