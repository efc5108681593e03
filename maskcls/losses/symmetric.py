"""Symmetric cross entropy, for wrong labels: cross entropy plus one with label and prediction swapped.

a CE + b RCE with RCE = -sum_k p_k log t_k and log 0 set to A; for a one-hot target RCE is -A (1-p_t).
Equations 5 to 7 of Wang et al. 2019, arXiv:1908.06112. A mixed target gives the mix of its classes'
losses.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    alpha: Annotated[float, Ge(0)] = 0.1
    """Weight of the cross entropy. .1 is the paper's for data of few classes, CIFAR-10."""
    beta: Annotated[float, Ge(0)] = 1.0
    """Weight of the reverse cross entropy, which a share of wrong labels cannot mislead."""
    log_zero: Annotated[float, Gt(0)] = 4.0
    """-A: minus the logarithm that stands for that of 0. 4 is the paper's for CIFAR-10."""


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B]; the caller averages."""

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        log_probs_BK = functional.log_softmax(logits_BK, dim=1)
        # 1-p from log p: for p near 1 the difference itself would lose its digits.
        others_BK = -log_probs_BK.expm1()
        each_BK = settings.beta * settings.log_zero * others_BK - settings.alpha * log_probs_BK
        return (target_BK * each_BK).sum(dim=1)

    return loss
