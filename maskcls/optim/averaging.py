"""Averages of the weights along a training, which are evaluated and kept in their place.

An average is called after every update and epoch, is written into checkpoints as plain tensors, and is
lent to the model for as long as a with-block lasts. All of it works on the bare network, not on a
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
    """Whether batch norms must be shown training images before the average can be evaluated."""

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
        """Whether there is an average yet; before that the model itself is all there is."""
        return self._count > 0

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of everything there is to know, contiguous and on the CPU, for a checkpoint."""
        values = {
            _VALUE + name: value.to("cpu", copy=True).contiguous()
            for name, value in self._values.items()
        }
        return {_COUNT: torch.tensor(self._count), **values}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Undo state, to the bit; other tensors are not looked at."""
        self._count = int(tensors[_COUNT])
        self._values = {
            name.removeprefix(_VALUE): tensor.clone()
            for name, tensor in tensors.items()
            if name.startswith(_VALUE)
        }

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """Put the average into the model, in place, and the model's own back afterwards, bit by bit.

        What happens to parameters and buffers meanwhile (fresh statistics) is undone, too. RuntimeError
        without an average.
        """
        if not self.is_active():
            raise RuntimeError("there is no average of the weights yet")
        entries = _entries(model)
        self._fit(entries)
        own = {name: _clone(entry, entry.dtype) for name, entry in entries.items()}
        try:
            _copy(self._values, entries)
            yield
        finally:
            _copy(own, entries)

    @torch.no_grad()
    def _mix_in(self, model: nn.Module, share: float, averaged: Collection[str]) -> None:
        """Go from the average towards the model by a share in (0, 1]; at first, all the way."""
        entries = _entries(model)
        if not self.is_active():
            self._values = {
                name: _clone(entry, torch.float32 if name in averaged else entry.dtype)
                for name, entry in entries.items()
            }
        else:
            self._fit(entries)
            # All at once: hundreds of small launches would show in every update on a GPU.
            torch._foreach_lerp_(
                [self._values[name] for name in averaged],
                [entries[name].to(torch.float32) for name in averaged],
                share,
            )
            for name in entries.keys() - set(averaged):
                self._values[name].copy_(entries[name])
        self._count += 1

    def _fit(self, entries: dict[str, torch.Tensor]) -> None:
        # Restored values come contiguous and from the CPU. Where they lie in memory decides in which
        # vector lanes they are added up, and so the last bits.
        if self._values.keys() != entries.keys():
            raise RuntimeError("the average belongs to another model")
        for name, value in self._values.items():
            own = entries[name]
            if value.device != own.device or value.stride() != own.stride():
                self._values[name] = torch.empty_like(own, dtype=value.dtype).copy_(value)


class Ema(Average):
    """Exponential moving average: m <- decay * m + (1 - decay) * w after each update.

    m starts as the weights after the first update. As in timm's ModelEmaV3, the running statistics
    of batch norms are averaged like the weights; whole numbers are copied.
    """

    needs_fresh_statistics = False

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay

    def after_update(self, model: nn.Module) -> None:
        """Mix the weights in."""
        averaged = [n for n, entry in _entries(model).items() if entry.is_floating_point()]
        self._mix_in(model, 1 - self._decay, averaged)

    def after_epoch(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Nothing: an EMA goes by updates."""


class Swa(Average):
    """Stochastic weight averaging: the equal mean of the weights at the ends of the last epochs.

    Izmailov et al., arXiv:1803.05407, algorithm 1 with one model an epoch. Only parameters are
    averaged; the statistics of batch norms belong to no average and are made again.
    """

    needs_fresh_statistics = True

    def __init__(self, num_epochs: int) -> None:
        super().__init__()
        self._num_epochs = num_epochs

    def after_update(self, model: nn.Module) -> None:
        """Nothing: SWA goes by epochs."""

    def after_epoch(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Mix the weights in, if this is one of the last num_epochs epochs."""
        if epoch >= epochs - self._num_epochs:
            averaged = [name for name, _ in model.named_parameters(remove_duplicate=False)]
            self._mix_in(model, 1 / (self._count + 1), averaged)


def make_average(settings: Optim) -> Average | None:
    """The average that the settings ask for; None when the weights themselves are kept."""
    if settings.ema:
        return Ema(settings.ema)
    if settings.swa_epochs:
        return Swa(settings.swa_epochs)
    return None


def has_batch_norms(model: nn.Module) -> bool:
    """Whether the model has running statistics that could be made again."""
    return bool(_batch_norms(model))


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Make the statistics of batch norms again from the batches that the with-block runs through.

    They become the plain mean over those batches, each counting alike whatever its length, as in
    torch.optim.swa_utils.update_bn. Within the block the model is in training mode (dropout draws
    from the random stream) and keeps no gradients; momentum and modes are put back afterwards.
    """
    norms = _batch_norms(model)
    momenta = [norm.momentum for norm in norms]
    modes = {module: module.training for module in model.modules()}
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a cumulative mean
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
    # Detached, but the same memory: writing there writes into the model.
    return model.state_dict()


def _clone(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().to(dtype, copy=True, memory_format=torch.preserve_format)


@torch.no_grad()
def _copy(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
