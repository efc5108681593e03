"""What a study's finished runs say: each change's paired difference from the base."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.task import Task
from maskcls.evaluation.aligned import Scored, aligned
from maskcls.evaluation.held_out import read_held_out
from maskcls.statistics.intervals import LEVEL
from maskcls.statistics.paired import holm, paired_difference
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.tuning.study_plan import BASE


@dataclass(frozen=True)
class ChangeEntry:
    """A change in study.json; see study_plan.Change."""

    text: str
    name: str
    settings: dict[str, list[Any]]


@dataclass(frozen=True)
class Compared:
    """A change against the base; scores of the task's metric, higher is better.

    base, score: mean over the seeds. difference: of the means, on the same held-out rows, with its
    interval at 95 % and p-value (statistics/paired.py). p_adjusted: by Holm, for all changes of the
    study. noise_from: what the noise of training was measured on; None: it is not in the interval. rows:
    compared; left_out: those that not every run has. failed: why, by the run's name. All numbers are
    None before a run of both sides is finished.
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


def compare_all(
    root: Folder, task: Task, changes: Sequence[ChangeEntry], seeds: Sequence[int],
    failed: Mapping[str, str],
) -> list[Compared]:  # fmt: skip
    """Each change against the base, from the finished runs below root; the best first.

    failed: why runs have failed, by name. Raises UserError for a finished run that cannot be read, or
    shares no held-out image with the others.
    """
    base = _finished(root, BASE, seeds)
    found = [_compared(root, task, change, seeds, base, failed) for change in changes]
    adjusted = holm([math.nan if one.p is None else one.p for one in found])
    found = [
        replace(one, p_adjusted=None if one.p is None else p)
        for one, p in zip(found, adjusted, strict=True)
    ]
    judged = [replace(one, verdict=_verdict(one)) for one in found]
    # Those without a number last, otherwise as they were given.
    return sorted(judged, key=lambda one: math.inf if one.difference is None else -one.difference)


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
    paired = paired_difference(task, same.rows[: len(base)], same.rows[len(base) :])
    interval = [paired.interval.low, paired.interval.high]
    return replace(
        found,
        rows=len(same.rows[0]),
        left_out=same.left_out,
        base=_mean_score(base.values()),
        score=_mean_score(runs.values()),
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


def _verdict(found: Compared) -> str:
    """In words; a change is called better or worse only if it holds for all changes together."""
    if found.difference is None or found.interval is None or found.p is None:
        if found.seeds and found.base_seeds:
            return "the metric is not defined on these rows"
        if found.failed:
            return "failed"
        return "not trained yet" if not found.seeds else "the base is not trained yet"
    low, high = found.interval
    apart = low > 0 or high < 0
    text = "better" if found.difference > 0 else "worse"
    allowed = 1 - LEVEL
    if not apart or found.p >= allowed:
        text = "no difference shown"
    elif found.p_adjusted is not None and found.p_adjusted >= allowed:
        text = f"{text} by itself, not among so many changes"
    if found.noise_from is None:
        text += " (training noise not measured)"
    return text + (f"; {len(found.failed)} failed" if found.failed else "")


def require_scores(scheme: str) -> None:
    """UserError where no fold has held-out rows to compare on."""
    if scheme == "all":
        raise UserError(
            "folds.scheme=all: it has no validation set, so a study has no scores to compare."
        )
