"""What a transform is: training photos in, changed photos out, on the device, a whole batch at once.

Every number that a transform draws comes as an argument, from a table indexed by row (draws.py), so
that the batch a photo happens to be in, and other transforms, do not matter. Shape letters: B batch,
C H W picture, D draws.
"""

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Context:
    """What a transform may know: the colour that fills holes, on the scale of bytes (the backbone's
    mean, which is 0 after normalising)."""

    fill: tuple[float, float, float]


class Change(Protocol):
    """Changes each photo by itself.

    pixels_BCHW: float32 in 0..255; draws_BD: float64 in [0, 1), on the CPU or the photos' device, D
    = the file's NUM_DRAWS.
    Returns float32 [B, C, H, W] in 0..255; never writes to its argument.
    """

    def __call__(self, pixels_BCHW: torch.Tensor, draws_BD: torch.Tensor) -> torch.Tensor: ...


class Mix(Protocol):
    """Mixes each photo with a partner; both as for Change.

    Returns the mixed photos and the share of the row's own label, float32 [B] in 0..1.
    """

    def __call__(
        self, pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]: ...
