"""Averages of the weights during training, which are evaluated and kept instead of the weights.

An average is updated after every step and epoch, is written into checkpoints as plain tensors, and is
put into the model for the duration of a with-block. All of it works on the bare network, not on a
wrapper: names are those of its state_dict.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from maskcls.config.schema import Optim

_COUNT = "averaged"  # how many times the weights went into the average
_VALUE = "average."  # average.head.linear.weight: of that entry of the state_dict


class Average(ABC):
    """A running average of a model's weights.

    Holds an entry for each of the state_dict: float32 where it is averaged, on the parameter's
    device and in its memory format; a copy of the model's latest where it is not.
    """

    needs_fresh_statistics: bool
    """Whether BatchNorm statistics must be recomputed before the average can be evaluated."""

    def __init__(self) -> None:
        self._count = 0
        self._values: dict[str, torch.Tensor] = {}

    @abstractmethod
    def after_update(self, model: nn.Module) -> None:
        """Called after an update of the weights."""

    @abstractmethod
    def after_epoch(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Called at the end of an epoch, counted from 0; epochs: how many there are."""

    def is_active(self) -> bool:
        """Whether there is an average yet; before that the model itself is used."""
        return self._count > 0

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of the whole state, contiguous and on the CPU, for a checkpoint."""
        values = {
            _VALUE + name: value.to("cpu", copy=True).contiguous()
            for name, value in self._values.items()
        }
        return {_COUNT: torch.tensor(self._count), **values}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Undo state, bit-identical; other tensors are ignored."""
        self._count = int(tensors[_COUNT])
        # Device and memory format are unknown here; _fit applies the model's at the next use.
        self._values = {
            name.removeprefix(_VALUE): tensor.clone()
            for name, tensor in tensors.items()
            if name.startswith(_VALUE)
        }

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """Put the average into the model, in place, and restore the model's own values afterwards.

        Changes of parameters and buffers in the block (fresh statistics) are undone, too. RuntimeError
        without an average.
        """
        if not self.is_active():
            raise RuntimeError("there is no average of the weights yet")
        entries = _entries(model)
        self._fit(entries)
        # In place, since optimizer and DDP hold references to these very tensors.
        own = {name: _clone(entry, entry.dtype) for name, entry in entries.items()}
        try:
            _copy(self._values, entries)
            yield
        finally:
            _copy(own, entries)

    @torch.no_grad()
    def _mix_in(self, model: nn.Module, share: float, averaged: Collection[str]) -> None:
        """Move the average towards the model by a share in (0, 1]; the first call copies the model."""
        entries = _entries(model)
        if not self.is_active():
            # float32: in a lower precision the small share of a late update would round to nothing.
            self._values = {
                name: _clone(entry, torch.float32 if name in averaged else entry.dtype)
                for name, entry in entries.items()
            }
        else:
            self._fit(entries)
            # All at once: on a GPU, hundreds of small kernel launches would slow down every update.
            torch._foreach_lerp_(
                [self._values[name] for name in averaged],
                [entries[name].to(torch.float32) for name in averaged],
                share,
            )
            for name in entries.keys() - set(averaged):
                self._values[name].copy_(entries[name])
        self._count += 1

    def _fit(self, entries: dict[str, torch.Tensor]) -> None:
        # Restored values are contiguous and on the CPU. The memory format decides in which vector lanes
        # they are added, and so the last bits.
        if self._values.keys() != entries.keys():
            raise RuntimeError("the average belongs to another model")
        for name, value in self._values.items():
            own = entries[name]
            if value.device != own.device or value.stride() != own.stride():
                self._values[name] = torch.empty_like(own, dtype=value.dtype).copy_(value)


class Ema(Average):
    """Exponential moving average: m <- decay * m + (1 - decay) * w after each update.

    m starts as the weights after the first update. As in timm's ModelEmaV3, the running statistics
    of BatchNorm are averaged like the weights; integers are copied.
    """

    needs_fresh_statistics = False

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay

    def after_update(self, model: nn.Module) -> None:
        """Mix in the weights."""
        averaged = [n for n, entry in _entries(model).items() if entry.is_floating_point()]
        self._mix_in(model, 1 - self._decay, averaged)

    def after_epoch(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Nothing: an EMA counts updates."""


class Swa(Average):
    """Stochastic weight averaging: the equal mean of the weights at the ends of the last epochs.

    Izmailov et al., arXiv:1803.05407, algorithm 1 with one model an epoch. Only parameters are
    averaged; BatchNorm statistics are recomputed, since those of the single models do not fit the mean.
    """

    needs_fresh_statistics = True

    def __init__(self, num_epochs: int) -> None:
        super().__init__()
        self._num_epochs = num_epochs

    def after_update(self, model: nn.Module) -> None:
        """Nothing: SWA counts epochs."""

    def after_epoch(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Mix in the weights in each of the last num_epochs epochs."""
        if epoch >= epochs - self._num_epochs:
            # With duplicates: a shared parameter has several names in the state_dict.
            averaged = [name for name, _ in model.named_parameters(remove_duplicate=False)]
            self._mix_in(model, 1 / (self._count + 1), averaged)


def make_average(settings: Optim) -> Average | None:
    """The average of the settings; None when the weights themselves are kept."""
    if settings.ema:
        return Ema(settings.ema)
    if settings.swa_epochs:
        return Swa(settings.swa_epochs)
    return None


def has_batch_norms(model: nn.Module) -> bool:
    """Whether the model has running statistics that could be recomputed."""
    return bool(_batch_norms(model))


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Recompute BatchNorm statistics from the batches that the with-block passes through the model.

    They become the plain mean over those batches, with equal weight whatever their size, as in
    torch.optim.swa_utils.update_bn. Within the block the model is in training mode (dropout draws
    from the random stream) and computes no gradients; momentum and modes are restored afterwards.
    """
    norms = _batch_norms(model)
    momenta = [norm.momentum for norm in norms]
    # Per module: model.train(old) would also switch parts that were set otherwise on their own.
    modes = {module: module.training for module in model.modules()}
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # in torch, None is a cumulative mean
    model.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training


def _batch_norms(model: nn.Module) -> list[_BatchNorm]:
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def _entries(model: nn.Module) -> dict[str, torch.Tensor]:
    # Detached, but sharing memory: writing there writes into the model.
    return model.state_dict()


def _clone(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().to(dtype, copy=True, memory_format=torch.preserve_format)


@torch.no_grad()
def _copy(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
