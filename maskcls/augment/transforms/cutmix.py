"""Pastes a box of the partner into the image: Yun et al. 2019, "CutMix", arXiv:1905.04899."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from scipy.special import betaincinv

from maskcls.augment.base import Context, Mix
from maskcls.augment.partners import Partner
from maskcls.config.schema import Section

NUM_DRAWS = 4
STAGE = 40
MIXES = True


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of the images that are mixed."""
    alpha: Annotated[float, Gt(0), Le(100)] = 1.0
    """The box's share of the area, before it is cut at the border, follows Beta(alpha, alpha)."""
    partner: Literal["all", "old", "same_class"] = "all"
    """From whom the other image is drawn: all training rows, those of the last age group (60 and over,
    or from rows.age_border), or those of the row's own class."""


def partner(settings: Settings) -> Partner:
    """From whom the other image is drawn."""
    return settings.partner


def build(settings: Settings, context: Context) -> Mix:
    """The transform: a box of the image's own proportions about any pixel (equation 2 of the paper).

    The share counts the pixels that are left after the border cuts the box. Its draws: whether, the
    share, the box's middle down and across.
    """

    def mix(
        pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        device = pixels_BCHW.device
        _, _, height, width = pixels_BCHW.shape
        # On the CPU, since torch has no inverse of the Beta distribution. By inversion one draw gives
        # one share; rejection sampling would need a varying number of draws.
        chosen_B, draw_B, down_B, across_B = draws_BD.cpu().unbind(1)
        kept_B = torch.from_numpy(betaincinv(settings.alpha, settings.alpha, draw_B.numpy()))
        side_B = torch.where(chosen_B < settings.prob, (1 - kept_B).sqrt(), 0.0)
        top_B, bottom_B = _span(side_B, down_B, height)
        left_B, right_B = _span(side_B, across_B, width)
        box_4B = torch.stack([top_B, bottom_B, left_B, right_B]).to(device, non_blocking=True)
        top, bottom, left, right = box_4B.view(4, -1, 1, 1, 1)
        y_H1 = torch.arange(height, device=device).unsqueeze(1)
        x_W = torch.arange(width, device=device)
        inside = (y_H1 >= top) & (y_H1 < bottom) & (x_W >= left) & (x_W < right)
        area_B = (bottom_B - top_B) * (right_B - left_B)
        # Of whole pixels after the cut, so that target and image agree exactly.
        share_B = (1 - area_B / (height * width)).float().to(device, non_blocking=True)
        return torch.where(inside, partner_BCHW, pixels_BCHW), share_B

    return mix


def _span(side_B: torch.Tensor, middle_B: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """First pixel of the box and the first after it, float64 [B] each; rounded as by the authors."""
    half_B = (side_B * size / 2).floor()
    middle_B = (middle_B * size).floor()
    return (middle_B - half_B).clamp(min=0), (middle_B + half_B).clamp(max=size)
