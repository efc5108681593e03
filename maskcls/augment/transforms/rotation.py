"""Rotates images about their centre by a small angle."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch.nn import functional

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

NUM_DRAWS = 1
STAGE = 10


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    degrees: Annotated[float, Ge(0), Le(180)] = 10.0
    """Largest angle; uniform from minus to plus this [degrees]."""


def build(settings: Settings, context: Context) -> Change:
    """The transform: bilinear, as if the image lay on an endless sheet of context.fill.

    Its draw is the angle, 0.5 none; above it the image turns counter-clockwise.
    """
    fill_C11 = torch.tensor(context.fill).view(-1, 1, 1)

    def rotate(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        device = pixels_BCHW.device
        fill = fill_C11.to(device, non_blocking=True)
        angle_B = (2 * draws_BD[:, 0] - 1) * math.radians(settings.degrees)
        grid_BHW2 = _sources(angle_B.to(device, non_blocking=True), *pixels_BCHW.shape[2:])
        # Shifted so that the fill is 0, the value that grid_sample assumes outside; at the border it
        # then blends image and fill by their shares. Torchvision's fill applies the share twice.
        shifted = functional.grid_sample(
            pixels_BCHW - fill,
            grid_BHW2,
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        return (shifted + fill).clamp_(0, 255)

    return rotate


def _sources(angle_B: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Where each pixel comes from, in grid_sample's units, float32 [B, H, W, 2] (x, y).

    Written out and not as a matrix product, which a GPU may round to TF32.
    """
    x_W = torch.arange(width, device=angle_B.device) - (width - 1) / 2
    y_H1 = (torch.arange(height, device=angle_B.device) - (height - 1) / 2).unsqueeze(1)
    cos_B11, sin_B11 = (f(angle_B).float().view(-1, 1, 1) for f in (torch.cos, torch.sin))
    from_x = cos_B11 * x_W - sin_B11 * y_H1
    from_y = sin_B11 * x_W + cos_B11 * y_H1
    return torch.stack([from_x * (2 / width), from_y * (2 / height)], dim=3)
