"""The one place that seeds, saves and restores torch's global random stream.

Its users are initial values, seeded for each part of a fold's network, and dropout and drop-path,
seeded at each epoch per rank. All other draws come from named streams of their own
(core/random_streams.py).
"""

import random
import zlib

import numpy as np
import torch

from maskcls.core.random_streams import Stream, sequence


def seed_torch(stream: Stream, *numbers: int) -> None:
    """Seed torch's global streams (CPU, all GPUs), and Python's and numpy's for other libraries."""
    words = sequence(stream, *numbers).generate_state(3, np.uint64)
    torch.manual_seed(int(words[0] >> 1))
    random.seed(int(words[1]))
    np.random.seed(int(words[2] & 0xFFFFFFFF))  # noqa: NPY002 (the legacy stream is what libraries use)


def seed_part(part: str, seed: int, fold: int) -> None:
    """Seed for the initial values of one part of a network, by the part's name.

    Each part draws from a stream of its own: the size of another part does not change its values.
    """
    # crc32, since Python's hash of a text differs in each process.
    seed_torch("initial values", zlib.crc32(part.encode()), seed, fold)


def save_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Torch's random state, as uint8 tensors."""
    state = {"cpu": torch.get_rng_state()}
    # Of this device alone: the fold uses one GPU, and another machine may have fewer.
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restore what save_state returned; a run moved from GPU to CPU uses the CPU's part only."""
    torch.set_rng_state(state["cpu"].contiguous())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].contiguous(), device)
