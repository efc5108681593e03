"""Cross entropy of the softmax, optionally with smoothed targets and weighted classes.

-sum_k w_k t_k log p_k. Label smoothing: Szegedy et al. 2016, arXiv:1512.00567. A weighted row's
loss is w times the unweighted one; the caller averages over rows, not over weights.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext, class_weights, per_class


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Label smoothing e: the target is (1-e) on the true class plus e/K on each of the K classes."""
    class_weights: Literal["none", "inverse"] = "none"
    """inverse weighs each class by 1 / its training rows, scaled to mean 1 over the classes."""


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B]; the caller averages.

    With smoothing the share e/K of each class has that class's weight, as in torch.
    """
    weights = per_class(class_weights(settings.class_weights, rows))

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        # Probabilities as targets, which torch takes for mixed images; smoothing is applied to them.
        return functional.cross_entropy(
            logits_BK,
            target_BK,
            weights(logits_BK),
            reduction="none",
            label_smoothing=settings.smoothing,
        )

    return loss
