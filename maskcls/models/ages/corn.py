"""CORN: each rank conditional on the one below it (Shi, Cao, Raschka 2021, arXiv:2111.08851).

f_k = P(rank > k | rank > k-1), learned from the rows with rank > k-1 alone, and P(rank > k) is the
product of f_0 .. f_k, so the ranks are monotone without a constraint on weights. The authors divide
by the number of all pairs of a row and a threshold that applies to it; here each row's terms are
divided by the number of thresholds, so that a row's loss does not depend on the other rows.
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
    """A linear layer to conditional logits."""
    return Corn(num_features, Ranks(settings.ranks, part))


class Corn(AgeBranch):
    """features_BF -> conditional logits of "rank above k, given above k-1", [B, T]."""

    def __init__(self, num_features: int, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.linear = nn.Linear(num_features, ranks.num_thresholds)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        """Conditional logits, [B, T]."""
        logits_BT: torch.Tensor = self.linear(features_BF)
        return logits_BT

    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See AgeBranch."""
        # P(rank > k) is the product of the conditional probabilities up to k, here a sum of logs.
        above_BT = functional.logsigmoid(outputs_BD.float()).cumsum(dim=1).exp()
        return self.ranks.log_groups(above_BT)

    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """See AgeBranch; the mean over thresholds of the terms that apply to the row."""
        above_BT = self.ranks.above(target)
        # P(rank > k-1): a row below rank k-1 says nothing on threshold k, and a mixed image says as much
        # as its share above. The weights of "yes" and "no" add up to it.
        asked_BT = torch.cat([torch.ones_like(above_BT[:, :1]), above_BT[:, :-1]], dim=1)
        yes = above_BT * functional.logsigmoid(outputs_BD)
        no = (asked_BT - above_BT) * functional.logsigmoid(-outputs_BD)
        return -(yes + no).mean(dim=1)
