"""Images for the tests of transforms: soft blobs of colour with fine grain, in whole bytes."""

import torch
from torch.nn import functional

from maskcls.augment.base import Context

CONTEXT = Context(fill=(124.0, 116.0, 104.0))
FILL_C11 = torch.tensor(CONTEXT.fill).view(3, 1, 1)
LAST = 1 - 2.0**-53
"""The largest draw there is."""


def images(count: int = 4, height: int = 33, width: int = 47, seed: int = 0) -> torch.Tensor:
    """float32 [count, 3, height, width], whole numbers in 0..255, black and white among them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 3, generator=generator) * 320 - 30
    soft = functional.interpolate(coarse, (height, width), mode="bilinear")
    grain = 16 * torch.randn(count, 3, height, width, generator=generator)
    return (soft + grain).round().clamp(0, 255)


def draws(count: int, columns: int, seed: int = 0) -> torch.Tensor:
    """float64 [count, columns] in [0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, columns, generator=generator, dtype=torch.float64)


def column(*values: float) -> torch.Tensor:
    """One image's draws a row, each a single number: float64 [len(values), 1]."""
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)
