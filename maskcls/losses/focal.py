"""Focal loss: cross entropy that is reduced for rows that are already classified well.

-sum_k w_k t_k (1-p_k)^g log p_k; for a one-hot target that is equation 5 of Lin et al. 2017,
arXiv:1708.02002, with the softmax's p in place of the sigmoid's. A mixed target gives the mix of its
classes' losses.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext, class_weights, per_class


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    gamma: Annotated[float, Ge(0)] = 2.0
    """Focusing exponent; 0 is cross entropy. 2 is the paper's; the report's code used 5."""
    class_weights: Literal["none", "inverse"] = "none"
    """inverse weighs each class by 1 / its training rows, scaled to mean 1 over the classes."""


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B]; the caller averages."""
    weights = per_class(class_weights(settings.class_weights, rows))

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        # log p directly: the log of a softmax would be -inf where p rounds to 0.
        log_probs_BK = functional.log_softmax(logits_BK, dim=1)
        # Where 1-p is exactly 0 the slope of (1-p)^g would be infinite for g below 1, and the gradient
        # NaN; the clamp makes it 0, as the loss is there.
        others_BK = (-log_probs_BK.expm1()).clamp_min(torch.finfo(logits_BK.dtype).tiny)
        focal_BK = -others_BK.pow(settings.gamma) * log_probs_BK
        return (weights(logits_BK) * target_BK * focal_BK).sum(dim=1)

    return loss
