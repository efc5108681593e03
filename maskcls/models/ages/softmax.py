"""Three age groups as classes, learned by the configured loss."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Section
from maskcls.models.ages.base import AgeBranch, RowLoss
from maskcls.models.target import Target


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this age branch."""


def build(settings: Settings, num_features: int, borders: tuple[int, int]) -> AgeBranch:
    """A linear layer to three logits."""
    return SoftmaxAge(num_features)


class SoftmaxAge(AgeBranch):
    """features_BF -> 3 logits."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 3)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        """Logits, [B, 3]."""
        logits_B3: torch.Tensor = self.linear(features_BF)
        return logits_B3

    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See AgeBranch."""
        # Normalised, unlike logits of one layer: branches are added, and each must count alike.
        return functional.log_softmax(outputs_BD.float(), dim=1)

    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """See AgeBranch."""
        return loss(outputs_BD, target.age())
