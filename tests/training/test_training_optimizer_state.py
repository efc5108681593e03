"""Every optimizer that can be chosen resumes from a checkpoint exactly."""

import json
from typing import Any

import pytest
import torch
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import UserError
from maskcls.optim import factory
from maskcls.optim.sam import Sam
from maskcls.store.folder import json_bytes
from maskcls.training import optimizer_state

# Choices that differ in what they keep: per parameter, per group, ints, floats, other shapes.
TYPICAL = ("adam", "sgd", "lamb", "adamp", "nadamlegacy", "adafactorbv", "muon", "sam")
PIXELS = torch.linspace(-1, 1, 4 * 3 * 8 * 8).view(4, 3, 8, 8)
TARGETS = torch.arange(4)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 18))
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    def gradients() -> None:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(PIXELS), TARGETS)
        loss.backward()  # type: ignore[no-untyped-call]

    for _ in range(steps):
        gradients()
        if isinstance(optimizer, Sam):
            optimizer.ascend()
            gradients()
            optimizer.descend()
        else:
            optimizer.step()


def resumes_exactly(name: str) -> bool:
    settings = Optim(name=name, weight_decay=0.01)
    model = make_model()
    optimizer = factory.build(model, settings)
    train(model, optimizer, 3)
    tensors, plain = optimizer_state.take(optimizer)
    half_way = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(7)  # for those that draw
    train(model, optimizer, 4)

    other = make_model()
    other.load_state_dict(half_way)
    again = factory.build(other, settings)
    read: dict[str, Any] = json.loads(json_bytes(plain))
    optimizer_state.put_back(again, tensors, read)
    torch.manual_seed(7)
    train(other, again, 4)
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", TYPICAL)
def test_resuming_is_exact(name: str) -> None:
    assert resumes_exactly(name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # some optimizers are deprecated by their authors
def test_resuming_is_exact_for_every_optimizer_that_can_be_built_here() -> None:
    inexact, num_built = [], 0
    for name in factory.names():
        try:
            factory.build(make_model(), Optim(name=name))
        except UserError:  # needs a GPU or another package
            continue
        num_built += 1
        if not resumes_exactly(name):
            inexact.append(name)
    assert not inexact
    assert num_built > 60


def test_state_keeps_the_memory_format_of_its_parameter() -> None:
    model = make_model()
    optimizer = factory.build(model, Optim())
    train(model, optimizer, 1)
    tensors, plain = optimizer_state.take(optimizer)
    other = make_model()
    again = factory.build(other, Optim())
    optimizer_state.put_back(again, tensors, plain)
    weight = next(other.parameters())
    assert again.state[weight]["exp_avg"].stride() == weight.stride()


def test_state_that_cannot_be_written_is_refused() -> None:
    model = make_model()
    optimizer = factory.build(model, Optim())
    train(model, optimizer, 1)
    optimizer.state[next(model.parameters())]["history"] = {"a": 1}
    with pytest.raises(TypeError, match="history is a dict"):
        optimizer_state.take(optimizer)
