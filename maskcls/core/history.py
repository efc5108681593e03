"""A fold's finished epochs, which of them is the best, and when training stops early.

The one place for these rules: the training loop, ASHA's last epoch, the live view and `status` all use
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochEntry:
    """A finished epoch: a line of history.jsonl.

    epoch: from 1. lr: at the epoch's first step. macro_f1, accuracy: over the whole validation
    fold, None without one (folds.scheme=all). images: rows trained, copies included. train_s,
    evaluate_s: [s].
    """

    epoch: int
    lr: float
    train_loss: float
    macro_f1: float | None
    accuracy: float | None
    images: int
    images_per_s: float
    train_s: float
    evaluate_s: float
    time: str


@dataclass(frozen=True)
class Best:
    """The epoch whose weights and logits are the fold's result; epoch: from 1."""

    epoch: int
    macro_f1: float | None


def best_of(history: Sequence[EpochEntry]) -> Best | None:
    """The epoch with the highest macro F1, the first of equals; None before any epoch.

    Without a validation fold no epoch has a score, and the last one counts.
    """
    best: Best | None = None
    for entry in history:
        # ">", not ">=": of equal epochs the first, whose checkpoint is kept already.
        score = entry.macro_f1
        if best is None or score is None or best.macro_f1 is None or score > best.macro_f1:
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
