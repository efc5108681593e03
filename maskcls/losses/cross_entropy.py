"""Cross entropy of the softmax over 18 classes, optionally with smoothed targets.

Label smoothing: Szegedy et al. 2016, arXiv:1512.00567.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Label smoothing e: the target is (1-e) on the true class plus e/18 on every class."""


def build(settings: Settings) -> Loss:
    """Loss of each row, float32 [B]; the caller averages."""

    def loss(logits_BK: torch.Tensor, target_B: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(
            logits_BK, target_B, reduction="none", label_smoothing=settings.smoothing
        )

    return loss
