"""Changes brightness, then contrast, then saturation of images, each by a random factor."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le

from maskcls.augment.base import Change, Context
from maskcls.augment.transforms.grayscale import luma
from maskcls.config.schema import Section

NUM_DRAWS = 3
STAGE = 20


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    brightness: Annotated[float, Ge(0), Le(1)] = 0.2
    """Brightness is multiplied by a factor that is uniform in 1 -/+ this."""
    contrast: Annotated[float, Ge(0), Le(1)] = 0.2
    """The distance to the image's mean gray is multiplied by such a factor."""
    saturation: Annotated[float, Ge(0), Le(1)] = 0.2
    """The distance to the image in gray is multiplied by such a factor."""


def build(settings: Settings, context: Context) -> Change:
    """The transform: torchvision's ColorJitter, always in this order, so that the draws
    determine the result.

    Its draws are the three factors.
    """
    reach_3 = torch.tensor([settings.brightness, settings.contrast, settings.saturation])

    def change(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        device = pixels_BCHW.device
        draws_BD = draws_BD.to(device, non_blocking=True)
        factor_B3 = 1 + (2 * draws_BD - 1) * reach_3.to(device, non_blocking=True)
        brightness, contrast, saturation = factor_B3.float().view(-1, 3, 1, 1, 1).unbind(1)
        # Clamped after each step, as in torchvision, whose steps work on valid images.
        out = (pixels_BCHW * brightness).clamp_(0, 255)
        out = _blend(out, luma(out).mean(dim=(1, 2, 3), keepdim=True), contrast)
        return _blend(out, luma(out), saturation)

    return change


def _blend(pixels: torch.Tensor, other: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return (factor * pixels + (1 - factor) * other).clamp_(0, 255)
