"""Interface of age branches: features to outputs, outputs to three age groups, and a loss.

Shape letters: B batch, F features, D outputs, T thresholds, R ages.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import nn

from maskcls.models.target import NUM_AGES, YOUNGEST, Target

RowLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class AgeBranch(nn.Module, ABC):
    """Base of all age branches; forward gives outputs_BD of features_BF."""

    @abstractmethod
    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the three age groups, float32 [B, 3]."""

    @abstractmethod
    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """One loss per row [B]; loss: the configured one for three classes, for branches that use
        it."""


class Ranks:
    """Ordered ranks, and how they fold to three age groups.

    kind "groups": three ranks, the age groups. "years": a rank for each year from 18 to 60, folded
    at the borders (first ages of the second and third group [years]).
    """

    def __init__(self, kind: str, borders: tuple[int, int]) -> None:
        self.kind = kind
        self.num_thresholds = 2 if kind == "groups" else NUM_AGES - 1
        # Threshold k says "above rank k"; the group begins above the last age before its border.
        years = tuple(border - 1 - YOUNGEST for border in borders)
        self.folds = (0, 1) if kind == "groups" else years

    def above(self, target: Target) -> torch.Tensor:
        """Probability that a row's rank is above each threshold, [B, T]."""
        probs = target.age() if self.kind == "groups" else target.ages_BR
        # Summed from the oldest: P(rank > k) is small for high k, and 1 minus a sum would lose it.
        return probs.flip(1).cumsum(1).flip(1)[:, 1:]

    def log_groups(self, above_BT: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the three groups, [B, 3], from P(rank > k), which fall with k."""
        first, second = above_BT[:, self.folds[0]], above_BT[:, self.folds[1]]
        probs = torch.stack([1 - first, first - second, second], dim=1)
        # Rounding may make a difference 0 or negative, whose log is -inf or NaN.
        return probs.clamp_min(1e-7).log()
