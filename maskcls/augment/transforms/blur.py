"""Blurs each image with a Gaussian of a random width.

Share and widths are those of SimCLR: Chen et al. 2020, arXiv:2002.05709. Shape letters: N the images
that are blurred, K half of the kernel with its middle.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch.nn import functional

from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section
from maskcls.core.errors import UserError

NUM_DRAWS = 2
STAGE = 30


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that are blurred."""
    sigma_min: Annotated[float, Gt(0), Le(10)] = 0.1
    """Minimum standard deviation of the Gaussian; uniform from it to sigma_max [px]."""
    sigma_max: Annotated[float, Gt(0), Le(10)] = 2.0
    """Largest standard deviation [px]."""

    def __post_init__(self) -> None:
        if self.sigma_min > self.sigma_max:
            raise UserError("augment.blur.sigma_min must not be above augment.blur.sigma_max.")


def build(settings: Settings, context: Context) -> Change:
    """The transform: separable, mirrored at the borders, cut off at three times sigma_max.

    Its draws decide whether, and how wide.
    """

    def blur(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        device = pixels_BCHW.device
        # On the CPU, where nonzero does not make anyone wait; only the chosen images are computed.
        rows_N = (draws_BD[:, 0] < settings.prob).nonzero().squeeze(1)
        draw_N = draws_BD[rows_N, 1].to(device, non_blocking=True)
        sigma_N = settings.sigma_min + (settings.sigma_max - settings.sigma_min) * draw_N
        # Reflection padding must be narrower than the image.
        reach = min(
            math.ceil(3 * settings.sigma_max), *(side - 1 for side in pixels_BCHW.shape[2:])
        )
        rows_N = rows_N.to(device, non_blocking=True)
        out = pixels_BCHW.clone()  # the argument must not be written to (base.py)
        out[rows_N] = _blurred(pixels_BCHW[rows_N], _half_kernels(sigma_N, reach))
        return out

    return blur


def _half_kernels(sigma_N: torch.Tensor, reach: int) -> torch.Tensor:
    """Weights of the middle and of the pixels to one side; float32 [N, K], K = reach + 1."""
    offset_K = torch.arange(reach + 1, device=sigma_N.device)
    # float64, as the draws, until the weights are normalised to sum 1: brightness is kept.
    weight_NK = torch.exp(-0.5 * (offset_K / sigma_N.unsqueeze(1)) ** 2)
    whole_N1 = 2 * weight_NK.sum(dim=1, keepdim=True) - weight_NK[:, :1]
    return (weight_NK / whole_N1).float()


def _blurred(pixels_NCHW: torch.Tensor, weight_NK: torch.Tensor) -> torch.Tensor:
    """Sum shifted images: a kernel per image as a grouped convolution would be rounded to TF32."""
    middle, *sides = weight_NK.view(*weight_NK.shape, 1, 1, 1).unbind(1)
    out = pixels_NCHW
    for dim, border in ((2, (0, 0, len(sides), len(sides))), (3, (len(sides), len(sides), 0, 0))):
        size = out.shape[dim]
        wide = functional.pad(out, border, mode="reflect")
        out = middle * wide.narrow(dim, len(sides), size)
        for k, weight in enumerate(sides, start=1):
            both = wide.narrow(dim, len(sides) - k, size) + wide.narrow(dim, len(sides) + k, size)
            out.addcmul_(both, weight)
    return out.clamp_(0, 255)
