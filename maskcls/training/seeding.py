"""The one place that seeds, saves and restores random numbers.

Each draw belongs to a named stream: the order of an epoch is a function of (seed, fold, epoch);
what uses torch's global stream (initial values, dropout, drop-path) is seeded at the start of each
fold and each epoch per rank. Nothing depends on what ran before, which makes resuming exact.
"""

import random
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

Stream = Literal["initial values", "order", "epoch"]
# Fixed numbers, never renumbered: they are part of every result.
_STREAMS: dict[Stream, int] = {"initial values": 1, "order": 2, "epoch": 3}


def _sequence(stream: Stream, *numbers: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([_STREAMS[stream], *numbers])


def seed_torch(stream: Stream, *numbers: int) -> None:
    """Seed torch's global streams (CPU, all GPUs), and Python's and numpy's for other libraries."""
    words = _sequence(stream, *numbers).generate_state(3, np.uint64)
    torch.manual_seed(int(words[0] >> 1))
    random.seed(int(words[1]))
    np.random.seed(int(words[2] & 0xFFFFFFFF))  # noqa: NPY002 (the legacy stream is what libraries use)


def order_of_epoch(
    rows: npt.NDArray[np.int64], seed: int, fold: int, epoch: int
) -> npt.NDArray[np.int64]:
    """Training rows in the order of an epoch; rows: int64 [N]. Returns a permutation of them."""
    # Raw bits: NumPy promises that PCG64's stream stays, but not that of Generator's methods.
    ticket = np.random.PCG64(_sequence("order", seed, fold, epoch)).random_raw(len(rows))
    return rows[np.argsort(ticket, kind="stable")]


def save_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Torch's random state, as uint8 tensors."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what save_state gave; a run moved from GPU to CPU keeps the CPU's part only."""
    torch.set_rng_state(state["cpu"].contiguous())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].contiguous(), device)
