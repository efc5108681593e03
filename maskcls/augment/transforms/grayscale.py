"""Removes the colour of images: all three channels become the luma.

The share is that of SimCLR: Chen et al. 2020, arXiv:2002.05709.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

NUM_DRAWS = 1
STAGE = 20


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.2
    """Share of the images that lose their colour."""


def luma(pixels_BCHW: torch.Tensor) -> torch.Tensor:
    """Luma of ITU-R 601 with torchvision's constants, float32 [B, 1, H, W]."""
    red, green, blue = pixels_BCHW.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)


def build(settings: Settings, context: Context) -> Change:
    """The transform; its draw decides whether."""

    def grayscale(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        draws_BD = draws_BD.to(pixels_BCHW.device, non_blocking=True)
        gray_B111 = (draws_BD[:, 0] < settings.prob).view(-1, 1, 1, 1)
        return torch.where(gray_B111, luma(pixels_BCHW), pixels_BCHW)

    return grayscale
