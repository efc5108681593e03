"""Row numbers in, batches on the device out; pixels come from the memory map, never decoded here.

Shape letters: B batch, H W C image.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def batches_of_epoch(rows: Rows, batch_size: int, smallest: int = 1) -> list[Rows]:
    """Divide an epoch's rows into batches of at most batch_size, as equal as they can be.

    None is dropped, and no short last batch remains whose gradient and batch statistics would be
    noise: 1,025 rows at 64 make 17 batches of 60 or 61, not 16 and a batch of one. smallest: see
    num_parts.
    """
    # Contiguous parts keep the order of the epoch, which was drawn already.
    parts = np.array_split(rows, num_parts(len(rows), batch_size, smallest))
    return [b for b in parts if len(b)]


def num_parts(num: int, largest: int, smallest: int = 1) -> int:
    """How many parts of at most `largest` a number of rows makes when divided evenly; at least 1.

    Fewer, and larger ones, where a part would be below `smallest`: 5 rows at 2 are 3 parts of 2, 2
    and 1, and 2 parts of 3 and 2 when none may be of one.
    """
    return max(1, min(-(-num // largest), num // smallest))


def share_of_rank(batch: Rows, index: int, world: int) -> Rows:
    """A worker's part of a batch, or of any rows: contiguous, sizes differing by at most one."""
    return np.array_split(batch, world)[index]


class Feed:
    """Gathers batches of uint8 pixels and brings them to the device.

    On a GPU the next batch is gathered into pinned memory and copied while the current one trains;
    on a CPU it is gathered when needed, since training occupies the cores anyway.
    """

    def __init__(
        self, sources: Sequence[Pixels], device: torch.device, channels_last: bool
    ) -> None:
        """sources: maps [N, H, W, 3] of one size; their rows are numbered through."""
        self._device = device
        self._channels_last = channels_last
        self._sources = [_tensor_of(pixels.view()) for pixels in sources]
        self._starts = np.cumsum([0, *(len(pixels) for pixels in sources)])

    def batches(self, batches: list[Rows]) -> Iterator[torch.Tensor]:
        """pixels_BCHW of each batch in turn: uint8 on the device, in the network's format."""
        if self._device.type != "cuda":
            for rows in batches:
                yield self._in_format(self._gather(rows))
            return
        # One thread and one batch ahead, so at most two batches are in pinned memory; torch releases
        # the interpreter lock while it gathers.
        with ThreadPoolExecutor(1) as pool:
            ahead = deque(pool.submit(self._gather_pinned, rows) for rows in batches[:1])
            for i in range(len(batches)):
                ready = ahead.popleft().result()
                ahead.extend(pool.submit(self._gather_pinned, r) for r in batches[i + 1 : i + 2])
                # Does not wait for the copy, as the memory is pinned; torch keeps the pinned block until
                # the copy is done, and later kernels on this stream wait for it.
                yield self._in_format(ready.to(self._device, non_blocking=True))

    def _gather(self, rows: Rows) -> torch.Tensor:
        # index_select is several times faster than numpy's take on a memory map.
        if len(self._sources) == 1:
            return torch.index_select(self._sources[0], 0, torch.from_numpy(rows))
        # One gather for each source: a batch may mix rows of the table, the extra folder and the eval
        # images, and each has a memory map of its own.
        source_of = np.searchsorted(self._starts, rows, side="right") - 1
        out = self._sources[0].new_empty((len(rows), *self._sources[0].shape[1:]))
        for i in np.unique(source_of).tolist():
            mine = np.flatnonzero(source_of == i)
            local = torch.from_numpy(rows[mine] - self._starts[i])
            out[torch.from_numpy(mine)] = torch.index_select(self._sources[i], 0, local)
        return out

    def _gather_pinned(self, rows: Rows) -> torch.Tensor:
        return self._gather(rows).pin_memory()

    def _in_format(self, pixels_BHWC: torch.Tensor) -> torch.Tensor:
        # Bytes are moved to the device and converted to float there: a quarter of the transfer.
        # Pixels are stored as HWC, so the permuted view is channels_last already and costs nothing.
        pixels_BCHW = pixels_BHWC.permute(0, 3, 1, 2)
        return pixels_BCHW if self._channels_last else pixels_BCHW.contiguous()


def _tensor_of(pixels: Pixels) -> torch.Tensor:
    import warnings

    # The map is read-only, which torch warns of since it has no read-only tensors.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(pixels)
