"""Adds Gaussian noise of a random strength to images.

Shape letters: N the images that get noise, P pairs of numbers.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le

from maskcls.augment import draws
from maskcls.augment.base import Change, Context
from maskcls.config.schema import Section

NUM_DRAWS = 3
STAGE = 30


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this transform."""

    prob: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the images that get noise."""
    std_max: Annotated[float, Ge(0), Le(255)] = 25.0
    """Largest standard deviation; uniform from 0 to this [bytes, 255 is white]."""


def build(settings: Settings, context: Context) -> Change:
    """The transform: independent in each pixel and channel, cut off at black and white.

    Its draws decide whether and how strong, and seed the noise.
    """

    def add_noise(pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor:
        device = pixels_BCHW.device
        rows_N = (draws_BD[:, 0] < settings.prob).nonzero().squeeze(1)
        draws_ND = draws_BD[rows_N].to(device, non_blocking=True)
        std_N111 = (settings.std_max * draws_ND[:, 1]).float().view(-1, 1, 1, 1)
        rows_N = rows_N.to(device, non_blocking=True)
        # From the row's own seed and not from torch's generator: the same on every device, and for an
        # image whatever else is in its batch.
        noise_NCHW = _normal(draws_ND[:, 2], pixels_BCHW.shape[1:])
        out = pixels_BCHW.clone()
        out[rows_N] = torch.addcmul(pixels_BCHW[rows_N], noise_NCHW, std_N111).clamp_(0, 255)
        return out

    return add_noise


def _normal(seed_N: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Standard normal numbers by Box and Muller 1958, float32 [N, *shape]."""
    count = shape.numel()
    radius_NP, turn_NP = draws.field(seed_N, (2, -(-count // 2))).unbind(1)
    # The field never is 0, so the log is finite.
    radius_NP = (-2 * radius_NP.log()).sqrt()
    angle_NP = turn_NP * (2 * math.pi)
    both = torch.cat([radius_NP * angle_NP.cos(), radius_NP * angle_NP.sin()], dim=1)
    return both[:, :count].reshape(-1, *shape)
