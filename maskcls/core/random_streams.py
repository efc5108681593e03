"""Named streams of random bits; each draw belongs to one and does not depend on earlier draws.

A stream is a name and some numbers (seed, fold, epoch, ...). Raw bits, since NumPy guarantees that the
bits of PCG64 and Philox stay the same in later versions, but not the results of Generator's methods.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Stream = Literal["initial values", "order", "epoch", "augment", "mask images", "sampler", "search"]
# Never renumbered or reused: with other numbers, old runs could not be reproduced or resumed.
_STREAMS: dict[Stream, int] = {
    "initial values": 1,
    "order": 2,
    "epoch": 3,
    "augment": 4,
    "mask images": 5,
    "sampler": 6,
    "search": 7,
}


def sequence(stream: Stream, *numbers: int) -> np.random.SeedSequence:
    """The seed of a stream; numbers: what it is drawn for, such as seed, fold and epoch."""
    return np.random.SeedSequence([_STREAMS[stream], *numbers])


def tickets(count: int, stream: Stream, *numbers: int) -> npt.NDArray[np.uint64]:
    """Raw bits, uint64 [count]; the first of a longer draw are those of a shorter one."""
    bits: npt.NDArray[np.uint64] = np.random.PCG64(sequence(stream, *numbers)).random_raw(count)
    return bits


def uniform(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Raw bits as numbers in [0, 1)."""
    # 53 bits, the precision of a float64: with all 64, the largest would be rounded to 1.
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
