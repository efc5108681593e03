"""Interface of heads: features to outputs, outputs to 18 classes, outputs and target to a loss.

Outputs are what the loss is computed from; `logits` turns them into 18 log-probabilities per image (up
to a constant of the image), so that ensembles can mix heads of all kinds.
Shape letters: B batch, F features, D outputs, K 18 classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from maskcls.models.ages.base import AgeBranch
from maskcls.models.target import Target

BeginPart = Callable[[str], None]
"""Called with the name of a part (a backbone, a head, a branch) before torch draws its initial
values."""


def draw_on(part: str) -> None:
    """A BeginPart that seeds nothing: all parts draw from torch's stream in turn."""


Losses = Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]
"""Row losses by what they are for: "class" (18), "mask" (3), "gender" (2), "age" (3)."""


@dataclass(frozen=True)
class HeadInputs:
    """What a head is built from.

    num_features: of each backbone. make_age: builds the age branch for a number of features.
    hard: each branch votes for one value. task_weights: of the mask, gender and age losses.
    cosine_scale: None, or the scale of the cosine logits that the loss requires. begin_part: must be
    called with the name of each branch before its layers are drawn, so that the width of one does not
    change the initial values of the others; it has been called for the head as a whole, and make_age
    calls it.
    """

    num_features: tuple[int, ...]
    make_age: Callable[[int], AgeBranch]
    hard: bool
    task_weights: tuple[float, float, float]
    cosine_scale: float | None
    begin_part: BeginPart = draw_on


class Head(nn.Module, ABC):
    """Base of all heads."""

    @abstractmethod
    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Features of each backbone, [B, F], to outputs_BD."""

    @abstractmethod
    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """float32 logits_BK."""

    @abstractmethod
    def loss(self, outputs_BD: torch.Tensor, target: Target, losses: Losses) -> torch.Tensor:
        """One loss per row [B]; must not use parameters, since DDP hooks forward only."""
