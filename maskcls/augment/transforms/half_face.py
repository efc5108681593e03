"""Joins the left half of the image to the right half of its partner.

The vertical CutMix of the competition's winners, who published code but no paper; derived from CutMix:
Yun et al. 2019, arXiv:1905.04899.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt

from maskcls.augment.base import Context, Mix
from maskcls.augment.partners import Partner
from maskcls.config.schema import Section
from maskcls.core.errors import UserError

NUM_DRAWS = 2
STAGE = 40
MIXES = True


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of the images that are mixed."""
    cut_min: Annotated[float, Gt(0), Lt(1)] = 0.46
    """Leftmost cut; uniform from it to cut_max, and fixed if they are equal [share of the width]."""
    cut_max: Annotated[float, Gt(0), Lt(1)] = 0.54
    """Rightmost cut [share of the width]."""
    partner: Literal["all", "old", "same_class"] = "all"
    """From whom the other image is drawn: all training rows, those of the last age group (60 and over,
    or from rows.age_border), or those of the row's own class."""

    def __post_init__(self) -> None:
        if self.cut_min > self.cut_max:
            raise UserError(
                "augment.half_face.cut_min must not be above augment.half_face.cut_max."
            )


def partner(settings: Settings) -> Partner:
    """From whom the other image is drawn."""
    return settings.partner


def build(settings: Settings, context: Context) -> Mix:
    """The transform: both halves stay on their side of the face, and the share is the left one's area.

    Its draws decide whether, and where the cut is, to the nearest column.
    """

    def mix(
        pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        width = pixels_BCHW.shape[3]
        chosen_B, draw_B = draws_BD.to(pixels_BCHW.device, non_blocking=True).unbind(1)
        cut_B = settings.cut_min + (settings.cut_max - settings.cut_min) * draw_B
        # A cut at the full width leaves the image as it is, with a share of 1.
        cut_B = torch.where(chosen_B < settings.prob, (cut_B * width + 0.5).floor(), width)
        own = torch.arange(width, device=pixels_BCHW.device) < cut_B.view(-1, 1, 1, 1)
        return torch.where(own, pixels_BCHW, partner_BCHW), (cut_B / width).float()

    return mix
