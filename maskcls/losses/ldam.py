"""Larger margins for rare classes, on cosine logits (LDAM).

Cao et al. 2019, arXiv:1906.07413: the true class must win by a margin D_y = C/n_y^(1/4),
which is cross entropy after s*D_y is subtracted from its logit. C makes the rarest class's margin the
setting `margin`, as in the authors' code. The logits must be cosines times s: for this loss the head
is built with cosine_scale.

Their deferred re-weighting (DRW) gives the classes weights only once the features have formed.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext, class_balanced_weights, class_weights, per_class

DRW_BETA = 0.9999
"""Of the class-balanced weights, as in the authors' code."""


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    margin: Annotated[float, Ge(0), Le(2)] = 0.5
    """Margin of the rarest class; a class with 16 times its rows has half of it [cosine]."""
    scale: Annotated[float, Gt(0)] = 30.0
    """Factor on the cosines that makes them logits."""
    drw_epoch: Annotated[int, Ge(0)] = 0
    """First epoch, counted from 1, with class-balanced weights (deferred re-weighting); 0 has none."""


def cosine_scale(settings: Settings) -> float:
    """Factor that the head must give its cosines; a loss with this function needs a cosine head."""
    return settings.scale


def margins(settings: Settings, rows: LossContext) -> tuple[float, ...]:
    """Margin of each class on the scale of cosines, [K]; a class without rows has the largest."""
    # The paper's C is chosen so that the largest margin is the setting; absent classes are ignored.
    smallest = min((n for n in rows.counts if n), default=1)
    return tuple(settings.margin * (smallest / max(n, smallest)) ** 0.25 for n in rows.counts)


def build(settings: Settings, rows: LossContext) -> Loss:
    """Loss of each row, float32 [B], for logits that are scale * cosine; the caller averages."""
    shifts = per_class([settings.scale * margin for margin in margins(settings, rows)])
    # Built anew each epoch, so the switch of DRW happens between epochs, also after resuming.
    is_late = 0 < settings.drw_epoch <= rows.epoch + 1
    weights = per_class(
        class_balanced_weights(rows, DRW_BETA) if is_late else class_weights("none", rows)
    )

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        # Which logit is lowered depends on the true class, and a mixed target has two: so all K
        # cases are computed, the case of true class k in row k.
        shifted_BKK = logits_BK[:, None, :] - shifts(logits_BK).diag()
        loss_BK = -functional.log_softmax(shifted_BKK, dim=2).diagonal(dim1=1, dim2=2)
        return (weights(logits_BK) * target_BK * loss_BK).sum(dim=1)

    return loss
