"""A fold's finished epochs, which of them is the best, and when training stops early.

The one place for these rules: the training loop, ASHA's last epoch, the live view and `status` all use
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from maskcls.core.task import MetricName

Keep = Literal["best", "last"]
"""Which epoch's weights and logits are a fold's result, see config.schema.Train."""


@dataclass(frozen=True)
class EpochEntry:
    """A finished epoch: a line of history.jsonl.

    epoch: from 1. lr: at the epoch's first step. score: of the task's metric over the whole validation
    fold, higher is better; None without a validation fold (folds.scheme=all), and where the metric is
    not defined on it, as AUC is not for one class. metrics: the values of the task's metrics that are
    defined, by name, the ranking one first. images: rows trained, copies included. train_s, evaluate_s:
    [s].
    """

    epoch: int
    lr: float
    train_loss: float
    score: float | None
    metrics: dict[MetricName, float]
    images: int
    images_per_s: float
    train_s: float
    evaluate_s: float
    time: str


@dataclass(frozen=True)
class Best:
    """The epoch whose weights and logits are the fold's result; epoch: from 1."""

    epoch: int
    score: float | None


def best_of(history: Sequence[EpochEntry], keep: Keep = "best") -> Best | None:
    """The epoch with the highest score, the first of equals; None before any epoch.

    keep: see config.schema.Train; with "last" it is the last epoch.
    Without a validation fold no epoch has a score, and the last one counts; likewise where the metric is
    not defined on the validation fold.
    """
    if keep == "last":
        return Best(history[-1].epoch, history[-1].score) if history else None
    best: Best | None = None
    for entry in history:
        # ">", not ">=": of equal epochs the first, whose checkpoint is kept already.
        score = entry.score
        if best is None or score is None or best.score is None or score > best.score:
            best = Best(entry.epoch, score)
    return best


def is_finished(history: Sequence[EpochEntry], epochs: int, patience: int) -> bool:
    """Whether no epoch follows: all are done, or `patience` epochs in a row brought no better score.

    patience: 0 never stops early.
    """
    if len(history) >= epochs:
        return True
    best = best_of(history)
    return bool(patience and best is not None and len(history) - best.epoch >= patience)
