"""The output of `maskcls status`: the folds of a run, a line for each of several, a search's trials."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from maskcls.commands.status import RunStatus, SearchStatus, WorkerStatus
from maskcls.core.errors import Exit
from maskcls.core.history import best_of
from maskcls.core.interval import Interval
from maskcls.core.metrics import TITLES, shown_score
from maskcls.core.progress import FoldState

if TYPE_CHECKING:
    from maskcls.tuning.trials import Trial

_WIDTH = 9
"""Of a score's column, at least; a longer title makes it wider."""


def lines_of(found: Sequence[RunStatus | SearchStatus]) -> list[str]:
    """Plain lines without control characters, fit for a log or a pipe."""
    # One run is shown by its folds; with several, their folds would hide the comparison.
    runs = [one for one in found if isinstance(one, RunStatus)]
    lines = _several(runs) if len(runs) > 1 else [line for run in runs for line in _one(run)]
    for one in found:
        if isinstance(one, SearchStatus):
            lines += _search(one)
    return lines


def _several(runs: Sequence[RunStatus]) -> list[str]:
    width = max(len(run.run) for run in runs)
    # Of one task as a rule; otherwise each line says which metric its score is of.
    metrics = {run.metric for run in runs}
    title = TITLES[runs[0].metric] if len(metrics) == 1 else "score"
    column = max(_WIDTH, len(title))
    around = _interval_column([run.interval for run in runs])
    lines = [f"{'run':<{width}}  {'folds':>7} {title:>{column}}{around[0]} {'left':>7}"]
    for run, interval in zip(runs, around[1:], strict=True):
        folds = f"{run.done}/{len(run.folds)}"
        lines.append(
            f"{run.run:<{width}}  {folds:>7} {shown_score(run.metric, run.score):>{column}}"
            f"{interval} {_time(run.left_s):>7}"
            + (f"  {TITLES[run.metric]}" if len(metrics) > 1 else "")
        )
    return lines


def _interval_column(intervals: Sequence[Interval | None]) -> list[str]:
    """The cells of a column of intervals, first its title; empty where there is none at all."""
    known = [str(interval) for interval in intervals if interval is not None]
    if not known:
        return [""] * (1 + len(intervals))
    cells = ["95 %", *("-" if interval is None else str(interval) for interval in intervals)]
    width = max(map(len, known))
    return [f"  {cell:<{width}}" for cell in cells]


def _search(search: SearchStatus) -> list[str]:
    running = sum(trial.state == "running" for trial in search.trials)
    at_work = "" if search.over else f", {running} running"
    return [
        search.search,
        *trial_table(search.trials),
        f"{len(search.trials)} trials{at_work}, {_time(search.seconds)} spent",
    ]


def as_json(found: Sequence[RunStatus | SearchStatus]) -> str:
    """All figures, as a list with an element for each run or search."""
    return json.dumps([asdict(one) for one in found])


def _one(run: RunStatus) -> list[str]:
    title = TITLES[run.metric]
    column = max(_WIDTH, len(title))
    head = f"{'fold':>4}  {'state':<10} {'epoch':>9} {'images/s':>9} {'loss':>8} {title:>{column}}"
    lines = [run.run, f"{head} {'try':>4} {'left':>7}"]
    for state, worker in zip(run.folds, run.workers, strict=True):
        lines.append(_fold(state, column) + _where(worker, state))
    shown = shown_score(run.metric, run.score)
    interval = f", 95 % interval {run.interval}" if run.interval else ""
    score = "" if run.score is None else f", out-of-fold {title} {shown}{interval}"
    lines.append(f"{run.done} of {len(run.folds)} folds are done{score}")
    # A command that was killed has left no exit code; one that finished has nothing to resume.
    if run.exit_code is not None and run.done < len(run.folds):
        name = Exit(run.exit_code).name.lower()
        lines.append(
            f"its command ended with exit code {run.exit_code} ({name}); the same command resumes"
        )
    return lines


def _fold(state: FoldState, column: int) -> str:
    last = state.history[-1] if state.history else None
    # Of the epoch kept so far, as in the run's result; without a validation fold there is none.
    kept = best_of(state.history, state.keep)
    at_work = state.phase in ("training", "predicting")
    epoch = max(len(state.history), state.epoch if at_work else 0)
    speed = state.images_per_s or (last.images_per_s if last else None)
    # At the end, so that a note of any length shifts no column.
    note = f"  {state.note}" if state.note else ""
    return (
        f"{state.fold:>4}  {state.phase:<10} {f'{epoch}/{state.epochs}':>9}"
        f" {_number(speed, '.0f'):>9} {_number(last.train_loss if last else None, '.3f'):>8}"
        f" {shown_score(state.metric, kept.score if kept else None):>{column}} {state.attempt:>4}"
        f" {_time(state.left_s):>7}{note}"
    )


def _where(worker: WorkerStatus, state: FoldState) -> str:
    """Where a fold is trained, and what Ray's dashboard says of its worker."""
    # Of a fold that has ended, its last host would look as if it were still busy.
    if state.phase in ("done", "waiting", "failed", "stopped") or not worker.host:
        return ""
    parts = [worker.host]
    if worker.gpus:
        parts.append(f"GPU {','.join(worker.gpus)}")
    if worker.gpu_idle is not None:
        parts.append(f"idle {100 * worker.gpu_idle:.0f} %")
    # Only Ray's dashboard knows these, and it may be unreachable.
    if worker.state and worker.log:
        parts += [worker.state.lower(), worker.log]
    return f"  {' '.join(parts)}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"


_HEAD = f"{'trial':>5} {'state':<8} {'out-of-fold':>12}"
_HEAD_AFTER_INTERVAL = f" {'deviation':>10} {'fold 0':>8} {'epochs':>7}  settings"


def trial_table(trials: Sequence["Trial"]) -> list[str]:
    """A head, and a line for each trial in the order given.

    fold 0 is its best held-out metric there; out-of-fold, its interval and the deviation are of all
    folds.
    """
    finals = [trial.out_of_fold for trial in trials]
    title, *around = _interval_column([final.interval if final else None for final in finals])
    lines = [_HEAD + title + _HEAD_AFTER_INTERVAL]
    return lines + [_line(*one) for one in zip(trials, around, strict=True)]


def _line(trial: "Trial", interval: str) -> str:
    whole = trial.out_of_fold
    note = f"  {trial.note}" if trial.note else ""
    score, deviation = (whole.score, whole.deviation) if whole else (None, None)
    return (
        f"{trial.number:>5} {trial.state:<8} {shown_score(trial.metric, score):>12}{interval}"
        f" {_number(deviation, '.4f'):>10} {shown_score(trial.metric, trial.best):>8}"
        f" {len(trial.scores):>7}  {trial.words}{note}"
    )
