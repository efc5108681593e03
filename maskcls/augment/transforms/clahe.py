"""Evens out the local contrast of images (contrast-limited adaptive histogram equalisation, CLAHE).

Zuiderveld 1994, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

NUM_DRAWS = 1
STAGE = 20


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that are equalised."""
    clip: Annotated[float, Gt(0)] = 2.0
    """Maximum pixels of a level in a tile, as a multiple of the even share; the rest is spread."""
    grid: Annotated[int, Ge(1), Le(64)] = 8
    """Tiles down and across the image."""


def build(settings: Settings, context: Context) -> Change:
    """The transform: on the luma alone, Y of YCbCr in 256 levels; its draw decides whether.

    Equalising each channel by itself would tint the skin. Sizes that the grid does not divide are
    mirrored at the lower and right border; an image of few pixels gets fewer tiles.
    """
    # Kornia takes seconds to import, so only when this transform is used.
    from kornia.enhance import equalize_clahe

    def equalise(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        rows_N = (draws_BD[:, 0] < settings.prob).nonzero().squeeze(1)
        rows_N = rows_N.to(pixels_BCHW.device, non_blocking=True)
        out = pixels_BCHW.clone()
        if len(rows_N):  # kornia refuses an empty batch
            chosen = pixels_BCHW[rows_N]
            luma_N1HW = _luma(chosen)
            tiles = min(settings.grid, *(side - 1 for side in pixels_BCHW.shape[2:]))
            # Kornia truncates to levels: adding a quarter keeps rounding errors from lowering one.
            level_N1HW = ((luma_N1HW.round() + 0.25) / 255).clamp_(max=1)
            even = equalize_clahe(level_N1HW, float(settings.clip), (tiles, tiles)) * 255
            # Adding the change of Y to each channel equals a round trip through YCbCr.
            out[rows_N] = (chosen + (even - luma_N1HW)).clamp_(0, 255)
        return out

    return equalise


def _luma(pixels_BCHW: torch.Tensor) -> torch.Tensor:
    """Luma whose weights sum to 1, unlike torchvision's, so that white stays in the last level."""
    red, green, blue = pixels_BCHW.unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).clamp_(0, 255).unsqueeze(1)
