"""Bootstrap over groups: images of one person, patient or camera are drawn together.

Errors within a group are alike, so an interval from single images is too narrow (Field & Welsh 2007).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Statistic = Callable[[npt.NDArray[Any]], Float64]
"""Values [B] or [B, M] at weights [B, G]; see statistics/sums.py."""

RESAMPLES = 2_000
_WEIGHTS_AT_ONCE = 1 << 23
"""64 MiB of them, whatever the number of groups."""
_MOST_BLOCKS = 500


def draws(num_groups: int, resamples: int, seed: int = 0) -> Iterator[Float64]:
    """Weights of resamples, float64 [b, G], in blocks: how often each group is drawn of G draws.

    The same arguments give the same weights, so that two runs can be compared on the same draws.
    """
    rng = np.random.default_rng([seed, num_groups])
    size = max(1, min(64, _WEIGHTS_AT_ONCE // max(num_groups, 1)))
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        places = rng.integers(num_groups, size=(count, num_groups))
        places += np.arange(count)[:, None] * num_groups
        found = np.bincount(places.reshape(-1), minlength=count * num_groups)
        yield found.reshape(count, num_groups).astype(np.float64)


def replicates(
    statistic: Statistic, num_groups: int, resamples: int = RESAMPLES, seed: int = 0
) -> Float64:
    """The statistic of each resample, [resamples] or [resamples, M]."""
    return np.concatenate([statistic(weights) for weights in draws(num_groups, resamples, seed)])


def estimate(statistic: Statistic, num_groups: int) -> Float64:
    """The statistic of the groups as they are, float64 [M] (or a scalar array)."""
    return np.asarray(statistic(np.ones((1, num_groups)))[0])


def without_blocks(statistic: Statistic, num_groups: int, seed: int = 0) -> Float64:
    """The statistic without each block of groups, [J] or [J, M]: a jackknife.

    Blocks are single groups, or of more than 500 groups 500 blocks of them drawn at random: the skewness
    of the sum, for which the jackknife is used (the acceleration of BCa), is the same.
    """
    blocks = min(num_groups, _MOST_BLOCKS)
    block_of = np.random.default_rng([seed, num_groups, 1]).permutation(num_groups) % blocks
    size = max(1, min(64, _WEIGHTS_AT_ONCE // max(num_groups, 1)))
    found = []
    for start in range(0, blocks, size):
        left_out = np.arange(start, min(start + size, blocks))
        found.append(statistic((block_of != left_out[:, None]).astype(np.float64)))
    return np.concatenate(found)
