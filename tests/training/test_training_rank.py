"""What the workers of a fold agree on; with real processes: test_training_two_workers.py."""

from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from maskcls.training.rank import Alone, align_buffers, flag_of_first, text_of_first

CPU = torch.device("cpu")


class First(Alone):
    """Rank 0 of two; remembers what it contributed to each sum."""

    world = 2

    def __init__(self) -> None:
        self.given: list[torch.Tensor] = []

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        self.given.append(tensor.clone())
        return tensor.clone()


class Second(Alone):
    """Rank 1 of two; the other's contributions are known."""

    index, world = 1, 2

    def __init__(self, first: First) -> None:
        self._given = iter(first.given)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor + next(self._given)


@pytest.mark.parametrize("text", [None, "", "epoch-0002", "한글 \u00e9", "x" * 256])
def test_all_workers_get_the_text_of_the_first(text: str | None) -> None:
    first = First()
    assert text_of_first(text, first, CPU) == text
    assert text_of_first("another", Second(first), CPU) == text
    assert text_of_first(text, Alone(), CPU) == text


@pytest.mark.parametrize("flag", [True, False])
def test_all_workers_get_the_flag_of_the_first(flag: bool) -> None:
    first = First()
    assert flag_of_first(flag, first, CPU) is flag
    assert flag_of_first(not flag, Second(first), CPU) is flag
    assert flag_of_first(flag, Alone(), CPU) is flag


def norm_of(value: float) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(3)
    assert norm.running_mean is not None
    norm.running_mean.fill_(value)
    norm.register_buffer("mask", torch.ones(3, dtype=torch.bool))
    return norm


def test_all_workers_get_the_buffers_of_the_first() -> None:
    one, two, first = norm_of(0.1), norm_of(0.7), First()
    align_buffers(one, first)
    align_buffers(two, Second(first))
    for own, other in zip(one.buffers(), two.buffers(), strict=True):
        assert torch.equal(own, other)
    assert one.running_mean is not None
    assert one.running_mean.tolist() == norm_of(0.1).running_mean.tolist()  # type: ignore[union-attr]


def test_a_single_worker_has_nothing_to_reduce() -> None:
    alone, tensor, model = Alone(), torch.arange(3), nn.Linear(1, 1)
    assert alone.sum(tensor) is tensor
    assert alone.gather(tensor, [3]) is tensor
    assert alone.wrap(model) is model
    context: AbstractContextManager[object] = alone.no_sync(model)
    with context:
        alone.barrier()
