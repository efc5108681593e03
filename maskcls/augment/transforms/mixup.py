"""Blends the image with its partner: Zhang et al. 2018, "mixup", arXiv:1710.09412."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from scipy.special import betaincinv

from maskcls.augment.base import Context, Mix
from maskcls.augment.partners import Partner
from maskcls.config.schema import Section

NUM_DRAWS = 2
STAGE = 40
MIXES = True


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of the images that are mixed."""
    alpha: Annotated[float, Gt(0), Le(100)] = 0.2
    """The image's share follows Beta(alpha, alpha): 1 is uniform, less is nearer to all or nothing."""
    partner: Literal["all", "old", "same_class"] = "all"
    """From whom the other image is drawn: all training rows, those of the last age group (60 and over,
    or from rows.age_border), or those of the row's own class."""


def partner(settings: Settings) -> Partner:
    """From whom the other image is drawn."""
    return settings.partner


def build(settings: Settings, context: Context) -> Mix:
    """The transform; its draws decide whether, and the share (equation 1 of the paper)."""

    def mix(
        pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # On the CPU, since torch has no inverse of the Beta distribution.
        chosen_B, draw_B = draws_BD.cpu().unbind(1)
        drawn_B = torch.from_numpy(betaincinv(settings.alpha, settings.alpha, draw_B.numpy()))
        share_B = torch.where(chosen_B < settings.prob, drawn_B, 1.0).float()
        share_B = share_B.to(pixels_BCHW.device, non_blocking=True)
        return torch.lerp(partner_BCHW, pixels_BCHW, share_B.view(-1, 1, 1, 1)), share_B

    return mix
