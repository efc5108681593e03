"""Interface of heads: features to outputs, outputs to classes, outputs and target to a loss.

Outputs are what the loss is computed from; `logits` turns them into a log-probability per class (up to a
constant of the image), so that ensembles can mix heads of all kinds.
Shape letters: B batch, F features, D outputs, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from maskcls.core.task import Task
from maskcls.models.ages.base import AgeBranch
from maskcls.models.target import Target

BeginPart = Callable[[str], None]
"""Called with the name of a part (a backbone, a head, a branch) before torch draws its initial
values."""


def draw_on(part: str) -> None:
    """A BeginPart that seeds nothing: all parts draw from torch's stream in turn."""


RowLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Losses:
    """Row losses of an epoch; whole: over the classes; parts: of each part, by its name."""

    whole: RowLoss
    parts: Mapping[str, RowLoss]


@dataclass(frozen=True)
class HeadInputs:
    """What a head is built from.

    task: what is learned. num_features: of each backbone. make_age: builds the branch of a part that is
    read from numbers (the age), for a number of features. hard: each branch votes for one value.
    weights: of the parts' losses, by the part's name; 1 for others.
    cosine_scale: None, or the scale of the cosine logits that the loss requires. begin_part: must be
    called with the name of each branch before its layers are drawn, so that the width of one does not
    change the initial values of the others; it has been called for the head as a whole, and make_age
    calls it.
    """

    task: Task
    num_features: tuple[int, ...]
    make_age: Callable[[int], AgeBranch]
    hard: bool
    weights: Mapping[str, float]
    cosine_scale: float | None
    begin_part: BeginPart = draw_on


class Head(nn.Module, ABC):
    """Base of all heads; num_classes: width K of the logits."""

    num_classes: int

    @abstractmethod
    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Features of each backbone, [B, F], to outputs_BD."""

    @abstractmethod
    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """float32 logits_BK."""

    @abstractmethod
    def loss(self, outputs_BD: torch.Tensor, target: Target, losses: Losses) -> torch.Tensor:
        """One loss per row [B]; must not use parameters, since DDP hooks forward only."""
