"""Differentiable macro F1: probabilities instead of counts of right and wrong answers.

Over the batch, tp_k = sum p_k t_k, fp_k = sum p_k (1-t_k), fn_k = sum (1-p_k) t_k; the loss is
1 - mean over k of 2tp/(2tp+fp+fn). For one class this is the soft Dice loss of Milletari et al. 2016,
arXiv:1606.04797 (Dice and F1 are the same number), without their squares in the denominator; the
mean over classes is field practice and has no paper.

The batch is what the loss is given at once: a small one holds few of the classes and gives a rough
F1, so micro-batches and workers that share a batch change what is learned.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from maskcls.config.schema import Section
from maskcls.losses.base import Loss, LossContext

WHOLE_BATCH = True
EPS = 1e-7
"""Makes the F1 of a class that is neither present nor predicted 0, not 0/0."""


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this loss."""

    absent: Literal["skip", "count"] = "skip"
    """Classes that no target of the batch has: skip leaves them out of the mean; count takes their
    F1 as the 0 that it is, which only adds a constant and makes the gradient smaller."""


def build(settings: Settings, rows: LossContext) -> Loss:
    """The batch's loss, 0 to 1, in every row: float32 [B]; it needs nothing of the training rows."""

    def loss(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        probs_BK = logits_BK.softmax(dim=1)
        present_K = target_BK.sum(dim=0)
        # 2tp + fp + fn is the predicted plus the present mass of a class.
        f1_K = 2 * (probs_BK * target_BK).sum(dim=0) / (probs_BK.sum(dim=0) + present_K + EPS)
        if settings.absent == "count":
            mean = f1_K.mean()
        else:  # an absent class has F1 0 and adds nothing to the sum
            mean = f1_K.sum() / (present_K > 0).sum()
        # The same value in every row, so that the caller's mean over rows is the batch's loss.
        return (1 - mean).expand(len(logits_BK))

    return loss
