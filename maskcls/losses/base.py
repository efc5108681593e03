"""Interface of losses: a number for each row, from its logits and its target.

Losses do not depend on the task: K is 18 for one head, 3 or 2 for the branches of another. What several
of them need, such as weights of classes, is here too. Shape letters: B batch,
K classes.

What the file of a loss defines: class Settings; build(settings, rows) -> Loss; and, where it holds,
WHOLE_BATCH = True: its value is the batch's, not the sum over rows. It then depends on which rows form a
batch, and is not linear in the target. All other losses are linear: a target mixed by MixUp or CutMix
gives the mix of the two losses, and rows are independent of each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import torch


@dataclass(frozen=True)
class LossContext:
    """What a loss may know of the fold's own training rows; held-out rows are not in it.

    counts: rows of each class as they train, copies included, [K]; a class may have none.
    epoch: the one that begins, from 0; epochs: number of epochs. A loss is built for each epoch.
    """

    counts: tuple[int, ...]
    epoch: int = 0
    epochs: int = 1


class Loss(Protocol):
    """logits_BK: float32 [B, K]; target_BK: float32 [B, K], rows sum to 1 (one-hot unless mixed).

    Returns one loss per row [B], which the caller averages. A loss of the whole batch, such as F1,
    gives every row the same number.
    """

    def __call__(self, logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor: ...


def class_weights(kind: Literal["none", "inverse"], rows: LossContext) -> tuple[float, ...]:
    """Weight of each class, [K]: "none" is 1 for all, "inverse" is inverse_weights."""
    return (1.0,) * len(rows.counts) if kind == "none" else inverse_weights(rows)


def inverse_weights(rows: LossContext) -> tuple[float, ...]:
    """1/n for a class with n rows, scaled so that the classes that have rows weigh 1 on average, [K].

    A class without rows weighs 0: no row uses its weight, and 1/0 would dominate the scale.
    """
    raw = [1 / n if n else 0.0 for n in rows.counts]
    return _scaled(raw, sum(n > 0 for n in rows.counts))


def class_balanced_weights(rows: LossContext, beta: float) -> tuple[float, ...]:
    """(1-b)/(1-b^n) for a class with n rows, scaled to sum K, [K]. Cui et al. 2019, arXiv:1901.05555.

    1/weight is the "effective number" of rows, 1 + b + ... + b^(n-1). beta: 0 <= b < 1; 0 weighs all
    classes alike, near 1 it is 1/n. A class without rows weighs 0, as in inverse_weights.
    """
    raw = [(1 - beta) / (1 - beta**n) if n else 0.0 for n in rows.counts]
    return _scaled(raw, len(raw))


def _scaled(raw: Sequence[float], total: float) -> tuple[float, ...]:
    # Scaled, so that weights change the balance between classes and not the size of the loss, which
    # would act like another learning rate. 1.0: there may be no rows at all.
    factor = total / (sum(raw) or 1.0)
    return tuple(factor * x for x in raw)


def per_class(values: Sequence[float]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A number of each class [K], as a tensor of the same device and dtype as the logits it is given.

    Copied there once and kept: a copy in each step would make the CPU wait for the GPU.
    """
    # float64 until the logits' type is known: float32 first would round twice for float64 logits.
    values_K = torch.tensor(values, dtype=torch.float64)

    @cache
    def copy_at(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        return values_K.to(dtype).to(device)  # in this order, since not all devices have float64

    return lambda logits_BK: copy_at(logits_BK.device, logits_BK.dtype)
