"""Age in years as one number, by squared error; groups by a normal spread around it.

Deep expectation of age from faces, as a plain regression: Rothe et al. 2018 compare the two
(DEX, International Journal of Computer Vision 126).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import nn

from maskcls.config.schema import Section
from maskcls.core.task import Part
from maskcls.models.ages.base import AgeBranch, RowLoss, between
from maskcls.models.target import Target, numbers_of


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this age branch."""

    spread: Annotated[float, Gt(0)] = 5.0
    """Standard deviation of the true age around the predicted one, for the groups' probabilities
    [years]."""


def build(settings: Settings, num_features: int, part: Part) -> AgeBranch:
    """A linear layer to one number."""
    return Regression(num_features, settings.spread, part)


class Regression(AgeBranch):
    """features_BF -> age, less its mean, by its deviation, [B, 1]."""

    def __init__(self, num_features: int, spread: float, part: Part) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, 1)
        self.spread = spread
        self.youngest = numbers_of(part)[0]
        # Rough scale of the ages, so that the layer learns numbers near 0 [years].
        self.mean, self.std = part.scale or (0.0, 1.0)
        # Half a year before the border: 29 is below 30 and 30 is not. A buffer, since copying Python
        # numbers to a GPU in each batch makes the CPU wait for it.
        self.register_buffer("edges", torch.tensor(part.borders) - 0.5, persistent=False)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        """The scaled age, [B, 1]."""
        age_B1: torch.Tensor = self.linear(features_BF)
        return age_B1

    def log_probs(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See AgeBranch."""
        years_B1 = self.mean + self.std * outputs_BD.float()
        above_BE = torch.special.ndtr((years_B1 - self.get_buffer("edges")) / self.spread)
        # Far from an edge a group's probability rounds to 0, whose log would be -inf.
        return between(above_BE.unbind(1)).clamp_min(1e-7).log()

    def loss(self, outputs_BD: torch.Tensor, target: Target, loss: RowLoss) -> torch.Tensor:
        """See AgeBranch; a mixed image has the mean age of its parts."""
        num = target.ages_BR.shape[1]
        years = torch.arange(num, device=outputs_BD.device, dtype=torch.float32) + self.youngest
        wanted_B = (target.ages_BR @ years - self.mean) / self.std
        return (outputs_BD[:, 0] - wanted_B).square()
