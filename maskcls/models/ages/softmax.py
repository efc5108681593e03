"""Age groups as classes, learned by the configured loss."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.core.task import Part
from maskcls.models.ages.base import AgeBranch, RowLoss
from maskcls.models.target import Target


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this age branch."""


def build(settings: Settings, num_features: int, part: Part) -> AgeBranch:
    """A linear layer to a logit for each group."""
    return SoftmaxAge(num_features, len(part.values))


class SoftmaxAge(AgeBranch):
    """features_BF -> G logits."""

    def __init__(self, num_features: int, num_groups: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_groups)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        """Logits, [B, G]."""
        logits_BG: torch.Tensor = self.linear(features_BF)
        return logits_BG

    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See AgeBranch."""
        # Normalised, unlike logits of one layer: branches are added, and each must count alike.
        return functional.log_softmax(outputs_BD.float(), dim=1)

    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """See AgeBranch."""
        return loss(outputs_BD, target.part("age"))
