"""The random numbers of augmentation: one table [rows, parameters] per transform, seed, fold, epoch.

A row's draws depend only on the row's number: switching another transform on, dropping other rows,
another batch size or another number of workers does not change them.
Counter-based streams: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox).
"""

import zlib

import numpy as np
import numpy.typing as npt
import torch

from maskcls.core.random_streams import sequence, uniform


def table(
    name: str, num_rows: int, num_draws: int, seed: int, fold: int, epoch: int, copy: int = 0
) -> npt.NDArray[np.float64]:
    """Uniform draws in [0, 1), float64 [num_rows, num_draws].

    name: of the transform. copy: 0 for a row itself, 1, 2, ... for its copies in an epoch.
    The first rows of a longer table are those of a shorter one.
    """
    # crc32 of the name and not its position, so that adding a transform renumbers no other.
    seeds = sequence("augment", zlib.crc32(name.encode()), seed, fold, epoch, copy)
    key = seeds.generate_state(2, np.uint64)
    # Row-major and raw: row r takes the draws r*D to (r+1)*D of the counter, whatever num_rows is.
    bits = np.random.Philox(key=key).random_raw(num_rows * num_draws)
    return uniform(bits).reshape(num_rows, num_draws)


def field(seed_B: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Uniform numbers in (0, 1) for every pixel of a batch, float32 [B, *shape], on seed_B's device.

    seed_B: one draw in [0, 1) per image, float64 [B]. The same on every device, since it is integer
    arithmetic: SplitMix64 (Steele, Lea, Flood 2014) of the seed and the pixel's number.
    """
    count = int(np.prod(shape))
    # A draw has 53 random bits, so this is an exact integer. int64 products wrap around, as those of
    # the generator, which is defined modulo 2^64.
    start_B1 = (seed_B * 2.0**53).long().unsqueeze(1)
    number_1N = torch.arange(1, count + 1, device=seed_B.device).unsqueeze(0)
    bits = _mixed(_mixed(start_B1) + number_1N * -7046029254386353131)  # the golden ratio's bits
    top = _shifted(bits, 41)  # 23 bits: with the half, what a float32 holds exactly
    return ((top.to(torch.float32) + 0.5) * 2.0**-23).reshape(len(seed_B), *shape)


def _mixed(z: torch.Tensor) -> torch.Tensor:
    z = (z ^ _shifted(z, 30)) * -4658895280553007687
    z = (z ^ _shifted(z, 27)) * -7723592293110705685
    return z ^ _shifted(z, 31)


def _shifted(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift to the right; torch's own keeps the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
