"""Interfaces between a fold's training, which does not use Ray, and its caller: worker and watcher."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import nn

from maskcls.core.history import EpochEntry


class Watcher(Protocol):
    """Follows a fold's progress; called by every worker, in the training thread: must be quick."""

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        """A step was queued on the device; images: of this epoch so far, over all workers."""

    def epoch_done(self, entry: EpochEntry) -> None:
        """An epoch was trained, evaluated and checkpointed."""

    def predicted(self, rows: int, num_rows: int) -> None:
        """A batch of validation or eval rows was predicted; serves as a heartbeat."""

    def say(self, text: str) -> None:
        """Logs a line, such as what the fold resumes from."""

    def stop_requested(self) -> bool:
        """Whether the fold should write a checkpoint and end. Raises Superseded when it was replaced."""


class PeerLost(ConnectionError):
    """Another worker of this fold was lost: an infrastructure failure, not an error of the training."""


class Rank(Protocol):
    """One of the workers that train a fold together."""

    index: int
    world: int

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over the workers."""

    def no_sync(self, model: nn.Module) -> AbstractContextManager[object]:
        """Gradients of backward passes inside are added up here and averaged by a later one."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, summed over the workers."""

    def gather(self, rows: torch.Tensor, num_rows: list[int]) -> torch.Tensor:
        """All workers' rows concatenated, [sum(num_rows), ...]; num_rows: of each worker."""

    def barrier(self) -> None:
        """Wait for the others."""


_TEXT_BYTES = 256


def text_of_first(text: str | None, rank: Rank, device: torch.device) -> str | None:
    """Rank 0's text (at most 256 bytes of UTF-8), on every worker; the others' is ignored.

    Sent as numbers in a sum: torch's broadcast of objects would pickle them.
    """
    if rank.world == 1:
        return text
    # Of fixed length, since all workers must pass the same shape and only one knows the text. int64:
    # a sum of zeros and one worker's codes is exact.
    data = b"" if text is None else text.encode()
    codes = torch.zeros(_TEXT_BYTES + 1, dtype=torch.int64)
    if rank.index == 0:
        # A length of -1 is None, which is not the empty text.
        codes[0] = -1 if text is None else len(data)
        codes[1 : 1 + len(data)] = torch.tensor(list(data), dtype=torch.int64)
    length, *rest = rank.sum(codes.to(device)).tolist()
    return None if length < 0 else bytes(rest[:length]).decode()


def flag_of_first(flag: bool, rank: Rank, device: torch.device) -> bool:
    """Rank 0's flag, on every worker; each must call it at the same point."""
    if rank.world == 1:
        return flag
    own = torch.tensor(float(flag and rank.index == 0), device=device)
    return bool(rank.sum(own).item())


def align_buffers(model: nn.Module, rank: Rank) -> None:
    """Give every worker rank 0's buffers, which are the ones that a checkpoint holds.

    DDP does so before each forward pass, so after the last step of an epoch the running statistics of
    BatchNorm are each worker's own.
    """
    if rank.world > 1:
        for buffer in model.buffers():
            if buffer.dtype != torch.bool:  # masks are constants, and gloo cannot sum bools
                # Zeros from the others: the sum is rank 0's value exactly. A broadcast would do the
                # same, but Rank needs no other collective than this one.
                own = buffer if rank.index == 0 else torch.zeros_like(buffer)
                buffer.copy_(rank.sum(own))


class Alone:
    """The only worker of a fold."""

    index = 0
    world = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model itself."""
        return model

    def no_sync(self, model: nn.Module) -> AbstractContextManager[object]:
        """Nothing is averaged in any case."""
        return nullcontext()

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor itself."""
        return tensor

    def gather(self, rows: torch.Tensor, num_rows: list[int]) -> torch.Tensor:
        """The rows themselves."""
        return rows

    def barrier(self) -> None:
        """Returns at once: there is no other worker."""


class Distributed:
    """A member of torch's process group (gloo on CPUs, nccl on GPUs), which must exist already."""

    def __init__(self) -> None:
        self.index = torch.distributed.get_rank()
        self.world = torch.distributed.get_world_size()

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model under DistributedDataParallel."""
        device = next(model.parameters()).device
        # DDP takes device_ids for one GPU per process and None for CPU modules.
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def no_sync(self, model: nn.Module) -> AbstractContextManager[object]:
        """DDP's own."""
        assert isinstance(model, nn.parallel.DistributedDataParallel)
        context: AbstractContextManager[object] = model.no_sync()
        return context

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, summed over the workers."""
        # all_reduce works in place and on contiguous memory; the caller's tensor must stay: the
        # running loss remains this worker's own.
        whole = tensor.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(whole)
        return whole

    def gather(self, rows: torch.Tensor, num_rows: list[int]) -> torch.Tensor:
        """All workers' rows, concatenated in the order of the ranks."""
        # all_gather requires the same shape from every worker: padded to the longest, cut again below.
        longest = max(num_rows)
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, num_rows, strict=True)])

    def barrier(self) -> None:
        """Wait for the others."""
        torch.distributed.barrier()
