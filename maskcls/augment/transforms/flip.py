"""Mirrors images horizontally."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

NUM_DRAWS = 1
STAGE = 10


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that are mirrored."""


def build(settings: Settings, context: Context) -> Change:
    """The transform; its draw decides whether."""

    def flip(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        draws_BD = draws_BD.to(pixels_BCHW.device, non_blocking=True)
        mirrored_B111 = (draws_BD[:, 0] < settings.prob).view(-1, 1, 1, 1)
        # Both computed and one chosen: the number of mirrored images stays unknown to the CPU.
        return torch.where(mirrored_B111, pixels_BCHW.flip(3), pixels_BCHW)

    return flip
