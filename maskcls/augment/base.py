"""Interface of transforms: a batch of training images in, changed images out, on the device.

All random numbers of a transform are passed in, from a table indexed by row (draws.py), so that the
result depends neither on the other images of the batch nor on other transforms. Shape letters: B batch,
C H W image, D draws.
"""

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Context:
    """What a transform may depend on: the colour that fills holes, on the scale of bytes (the
    backbone's mean, which is 0 after normalising)."""

    fill: tuple[float, float, float]


class Change(Protocol):
    """Changes each image by itself.

    pixels_BCHW: float32 in 0..255; draws_BD: float64 in [0, 1), on the CPU or the images' device, D
    = the file's NUM_DRAWS.
    Returns float32 [B, C, H, W] in 0..255; never writes to its argument.
    """

    def __call__(self, pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor: ...


class Mix(Protocol):
    """Mixes each image with a partner; both as for Change.

    Returns the mixed images and the share of the row's own label, float32 [B] in 0..1.
    """

    def __call__(
        self, pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]: ...
