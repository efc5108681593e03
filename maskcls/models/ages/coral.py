"""CORAL: one direction of age, and a threshold for each rank (Cao et al. 2020, arXiv:1901.07884).

P(rank > k) = sigmoid(w.x + b_k) with one w for all k; the loss is the sum of the thresholds' binary
cross entropies (equation 4). The paper shows that the best thresholds are ordered; here they always
are, b_k being b_0 minus a sum of positive steps, so the ranks are monotone throughout training.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.core.task import Part
from maskcls.models.ages.base import AgeBranch, Ranks, RowLoss
from maskcls.models.target import Target


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this age branch."""

    ranks: Literal["groups", "years"] = "groups"
    """Ranks: the age groups, or each year of age from 18 to 60, folded to the groups."""


def build(settings: Settings, num_features: int, part: Part) -> AgeBranch:
    """One shared direction and ordered thresholds."""
    return Coral(num_features, Ranks(settings.ranks, part))


class Coral(AgeBranch):
    """features_BF -> logits of "rank above k", [B, T]."""

    def __init__(self, num_features: int, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.direction = nn.Linear(num_features, 1, bias=False)
        num = ranks.num_thresholds
        # Initially evenly from 1 to 1/T, as in the authors' code: log(expm1(x)) inverts softplus.
        step = torch.tensor(1.0 / num)
        self.first = nn.Parameter(torch.tensor(1.0))
        self.steps = nn.Parameter(torch.log(torch.expm1(step)).repeat(num - 1))

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        """Logits of each threshold, falling with it, [B, T]."""
        falls = torch.cat([self.first.new_zeros(1), functional.softplus(self.steps).cumsum(0)])
        logits_BT: torch.Tensor = self.direction(features_BF) + (self.first - falls)
        return logits_BT

    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See AgeBranch."""
        return self.ranks.log_groups(outputs_BD.float().sigmoid())

    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """See AgeBranch; the sum over thresholds."""
        above_BT = self.ranks.above(target)
        return functional.binary_cross_entropy_with_logits(
            outputs_BD, above_BT, reduction="none"
        ).sum(dim=1)
