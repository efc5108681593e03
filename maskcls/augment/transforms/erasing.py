"""Erases a box of the image: Zhong et al. 2020, "Random Erasing Data Augmentation", arXiv:1708.04896."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section
from maskcls.core.errors import UserError

NUM_DRAWS = 5
STAGE = 50


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that lose a box."""
    area_min: Annotated[float, Gt(0), Le(1)] = 0.02
    """Minimum area of the box; uniform from it to area_max [share of the image]."""
    area_max: Annotated[float, Gt(0), Le(1)] = 0.33
    """Maximum area of the box [share of the image]."""
    aspect_min: Annotated[float, Gt(0), Le(1)] = 0.3
    """Minimum height / width of the box; the maximum is 1 / aspect_min, its logarithm uniform."""

    def __post_init__(self) -> None:
        if self.area_min > self.area_max:
            raise UserError("augment.erasing.area_min must not be above augment.erasing.area_max.")


def build(settings: Settings, context: Context) -> Change:
    """The transform: the box, anywhere inside the image, becomes context.fill.

    The paper draws again until a box fits; here one too long for the image is cut to its side, so that
    an image needs a fixed number of draws. The paper's aspect is uniform, which favours tall
    boxes. Its draws: whether, area, aspect, top, left.
    """
    fill_C11 = torch.tensor(context.fill).view(-1, 1, 1)

    def erase(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        device = pixels_BCHW.device
        _, _, height, width = pixels_BCHW.shape
        draws_BD = draws_BD.to(device, non_blocking=True)
        chosen, area, aspect, down, across = draws_BD.view(-1, NUM_DRAWS, 1, 1, 1).unbind(1)
        area = (settings.area_min + (settings.area_max - settings.area_min) * area) * height * width
        aspect = torch.exp((1 - 2 * aspect) * math.log(settings.aspect_min))
        tall = (area * aspect).sqrt().round().clamp(1, height)
        wide = (area / aspect).sqrt().round().clamp(1, width)
        top = (down * (height - tall + 1)).floor()
        left = (across * (width - wide + 1)).floor()
        y_H1 = torch.arange(height, device=device).unsqueeze(1)
        x_W = torch.arange(width, device=device)
        # A mask for all images instead of a slice for each: no loop, and no wait for the draws' values.
        inside = (y_H1 >= top) & (y_H1 < top + tall) & (x_W >= left) & (x_W < left + wide)
        erased_B1HW = inside & (chosen < settings.prob)
        return torch.where(erased_B1HW, fill_C11.to(device, non_blocking=True), pixels_BCHW)

    return erase
