"""Optimizers by name, and the learning rate of each epoch."""

import pytest
import torch
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import UserError
from maskcls.optim import factory


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_rates_of_the_reports_recipe() -> None:
    settings = Optim(lr=1e-3, gamma=0.794)
    assert factory.rate_of_epoch(settings, 0) == 1e-3
    assert factory.rate_of_epoch(settings, 19) == pytest.approx(1.249e-5, rel=1e-3)
    assert factory.rate_of_epoch(settings, 20) == pytest.approx(9.9e-6, rel=3e-3)


def test_rates_are_those_of_step_lr() -> None:
    settings = Optim(name="sgd", lr=0.5, gamma=0.9)
    optimizer = factory.build(model(), settings)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)
    for epoch in range(30):
        assert factory.rate_of_epoch(settings, epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_setting_the_rate_keeps_a_groups_own_scale() -> None:
    optimizer = factory.build(model(), Optim(weight_decay=0.1))
    optimizer.param_groups[1]["lr_scale"] = 0.5
    factory.set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.125]


def test_norms_and_biases_get_no_weight_decay() -> None:
    optimizer = factory.build(model(), Optim(weight_decay=0.1))
    decay = {group["weight_decay"]: group["params"] for group in optimizer.param_groups}
    assert {p.ndim for p in decay[0.1]} == {4}
    assert {p.ndim for p in decay[0.0]} == {1}


@pytest.mark.parametrize("name", ["adam", "adamw", "adamp", "sgd", "lamb", "lion"])
def test_usual_names_are_known(name: str) -> None:
    optimizer = factory.build(model(), Optim(name=name, lr=0.125))
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_unknown_name_comes_with_the_nearest() -> None:
    with pytest.raises(UserError) as raised:
        factory.build(model(), Optim(name="adamm"))
    assert str(raised.value) == "optim.name: there is no 'adamm'; did you mean adam?"


@pytest.mark.parametrize("name", ["kron", "adahessian"])
def test_what_could_not_be_resumed_is_not_offered(name: str) -> None:
    assert name not in factory.names()
    with pytest.raises(UserError, match="there is no"):
        factory.check_name(name)


def test_what_needs_another_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def needs_apex(*arguments: object, **options: object) -> None:
        raise AssertionError("CUDA required for APEX optimizers")

    monkeypatch.setattr(factory, "create_optimizer_v2", needs_apex)
    with pytest.raises(UserError, match=r"fusedadam: cannot be built here \(CUDA required"):
        factory.build(model(), Optim(name="fusedadam"))
