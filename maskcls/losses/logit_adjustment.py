"""Cross entropy on logits to which the log of the training prior is added.

Menon et al. 2021, arXiv:2007.07314, equation 10: the softmax learns the training shares from the
added term, so that the logits themselves, which predict, are those of balanced classes.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext, per_class


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    tau: Annotated[float, Ge(0)] = 1.0
    """Factor on the log prior; 0 is cross entropy, 1 aims at balanced classes."""


def log_prior(rows: LossContext) -> tuple[float, ...]:
    """Log of each class's share of the training rows, [K]; a class without rows counts as one row."""
    # One row instead of none: the log of 0 would make the logit of that class -inf in every row.
    counts = [max(n, 1) for n in rows.counts]
    return tuple(math.log(n / sum(counts)) for n in counts)


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B]; the caller averages."""
    offsets = per_class([settings.tau * x for x in log_prior(rows)])

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        # Only here, not in the head: at prediction the prior must not be added.
        return functional.cross_entropy(logits_BK + offsets(logits_BK), target_BK, reduction="none")

    return loss
