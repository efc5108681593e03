"""Cross entropy with weights by the effective number of rows of each class.

Cui et al. 2019, arXiv:1901.05555, with the softmax: the n-th row of a class adds b^(n-1) to its
effective number of rows, so weights grow slower towards rare classes than 1/n.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext, class_balanced_weights, per_class


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    beta: Annotated[float, Ge(0), Lt(1)] = 0.999
    """Share that each further row of a class adds of what the one before it added; 0 weighs all
    classes alike, near 1 the weight is 1 / rows."""


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B]; the caller averages."""
    weights = per_class(class_balanced_weights(rows, settings.beta))

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        # torch multiplies each class's term by its weight and does not divide by their sum here, as it
        # would with reduction="mean": the caller's mean stays one over rows.
        return functional.cross_entropy(logits_BK, target_BK, weights(logits_BK), reduction="none")

    return loss
