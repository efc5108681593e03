"""A search's trials as plain lines, for `maskcls tune` and `maskcls status`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskcls.search.trials import Trial

_HEAD = (
    f"{'trial':>5} {'state':<8} {'out-of-fold':>12} {'deviation':>10} {'fold 0':>8} {'epochs':>7}"
    "  settings"
)


def trial_table(trials: Sequence["Trial"]) -> list[str]:
    """A head, and a line for each trial in the order given.

    fold 0 is its best held-out macro F1 there; out-of-fold and deviation are of all folds.
    """
    return [_HEAD, *map(_line, trials)]


def _line(trial: "Trial") -> str:
    whole = trial.out_of_fold or {}
    note = f"  {trial.note}" if trial.note else ""
    return (
        f"{trial.number:>5} {trial.state:<8} {_score(whole.get('macro_f1')):>12}"
        f" {_score(whole.get('deviation')):>10} {_score(trial.best):>8} {len(trial.scores):>7}"
        f"  {trial.words}{note}"
    )


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
