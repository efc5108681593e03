"""Interface of age branches: features to outputs, outputs to age groups, and a loss.

Shape letters: B batch, F features, D outputs, T thresholds, R ages, G age groups (3 in the mask task).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from maskcls.core.task import Part
from maskcls.models.target import Target, numbers_of

RowLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class AgeBranch(nn.Module, ABC):
    """Base of all age branches; forward gives outputs_BD of features_BF."""

    @abstractmethod
    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the age groups, float32 [B, G]."""

    @abstractmethod
    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """One loss per row [B]; loss: the configured one for the groups, for branches that use it."""


class Ranks:
    """Ordered ranks, and how they fold to age groups.

    kind "groups": a rank for each age group. "years": a rank for each number that the part tells apart,
    folded at its borders. part: the age, with the borders of training [years].
    """

    def __init__(self, kind: str, part: Part) -> None:
        self.kind = kind
        youngest, oldest = numbers_of(part)
        self.num_thresholds = len(part.borders) if kind == "groups" else oldest - youngest
        # Threshold k says "above rank k"; the group begins above the last age before its border.
        years = tuple(border - 1 - youngest for border in part.borders)
        self.folds = tuple(range(len(part.borders))) if kind == "groups" else years

    def above(self, target: Target) -> torch.Tensor:
        """Probability that a row's rank is above each threshold, [B, T]."""
        probs = target.part("age") if self.kind == "groups" else target.ages_BR
        # Summed from the oldest: P(rank > k) is small for high k, and 1 minus a sum would lose it.
        return probs.flip(1).cumsum(1).flip(1)[:, 1:]

    def log_groups(self, above_BT: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the groups, [B, G], from P(rank > k), which fall with k."""
        # Rounding may make a difference 0 or negative, whose log is -inf or NaN.
        return between([above_BT[:, k] for k in self.folds]).clamp_min(1e-7).log()


def between(above: Sequence[torch.Tensor]) -> torch.Tensor:
    """Probability of each group, [B, G], from those of lying above each border, [B] each."""
    first, last = 1 - above[0], above[-1]
    inner = [low - high for low, high in pairwise(above)]
    return torch.stack([first, *inner, last], dim=1)
