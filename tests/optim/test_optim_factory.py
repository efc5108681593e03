"""Optimizers by name, their groups and rates."""

import pytest
import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import UserError
from maskcls.optim import factory
from maskcls.optim.sam import Sam
from tests.optim.model_factory import Tiny, loss_of

BACKBONES = ("test_vit", "test_resnet", "test_convnext", "test_efficientnet", "test_nfnet")


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def network(name: str) -> nn.ModuleDict:
    backbone = timm.create_model(name, num_classes=0)
    return nn.ModuleDict({"backbone": backbone, "head": nn.Linear(backbone.num_features, 18)})


def options_by_name(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, tuple[float, float]]:
    """Rate and weight decay of each parameter."""
    name_of = {parameter: name for name, parameter in model.named_parameters()}
    return {
        name_of[parameter]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


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


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
@pytest.mark.parametrize("name", BACKBONES)
def test_rates_and_decay_are_those_of_timms_model_with_its_own_classifier(
    name: str, layer_decay: float
) -> None:
    whole = timm.create_model(name, num_classes=18)
    timms = create_optimizer_v2(
        whole, "adamw", lr=0.5, weight_decay=0.1,
        layer_decay=layer_decay if layer_decay < 1 else None,
    )  # fmt: skip
    # timm's own scheduler applies the scales of the groups.
    CosineLRScheduler(timms, t_initial=10)
    expected = options_by_name(whole, timms)

    ours = network(name)
    optim = Optim(name="adamw", lr=0.5, weight_decay=0.1, layer_decay=layer_decay)
    found = options_by_name(ours, factory.build(ours, optim))
    classifier = whole.pretrained_cfg["classifier"]
    assert found.pop("head.weight") == expected[f"{classifier}.weight"] == (0.5, 0.1)
    assert found.pop("head.bias") == expected[f"{classifier}.bias"] == (0.5, 0.0)
    for parameter, options in found.items():
        assert options == pytest.approx(expected[parameter.removeprefix("backbone.")])
    assert len(found) == len(list(ours["backbone"].parameters()))
    assert (min(lr for lr, _ in found.values()) < 0.5) == (layer_decay < 1)


def test_each_of_several_backbones_has_its_own_layers() -> None:
    one = network("test_vit")
    separate = nn.ModuleDict({"age": network("test_vit"), "mask": network("test_vit")})
    optim = Optim(layer_decay=0.5)
    alone = options_by_name(one, factory.build(one, optim))
    found = options_by_name(separate, factory.build(separate, optim))
    for name, options in alone.items():
        assert found[f"age.{name}"] == found[f"mask.{name}"] == options


def test_a_backbone_that_tells_no_layers_is_refused_only_with_layer_decay() -> None:
    whole = network("pit_ti_224")
    factory.build(whole, Optim())
    with pytest.raises(UserError, match=r"does not name its layers; leave optim\.layer_decay"):
        factory.build(whole, Optim(layer_decay=0.9))
    with pytest.raises(UserError, match="no backbone with layers"):
        factory.build(model(), Optim(layer_decay=0.9))


def test_frozen_parameters_are_left_out() -> None:
    whole = network("test_resnet")
    for parameter in whole["backbone"].parameters():
        parameter.requires_grad = False
    for layer_decay in (1.0, 0.5):
        optimizer = factory.build(whole, Optim(layer_decay=layer_decay))
        assert set(options_by_name(whole, optimizer)) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("name", ["adam", "adamw", "adamp", "sgd", "lamb", "lion", "radam"])
def test_a_step_of_the_usual_optimizers_goes_downhill(name: str) -> None:
    tiny = Tiny()
    optimizer = factory.build(tiny, Optim(name=name, lr=1e-3))
    assert {group["lr"] for group in optimizer.param_groups} == {1e-3}
    before = loss_of(tiny)
    before.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert loss_of(tiny).item() < before.item()


def test_sam_wraps_the_base_that_is_asked_for() -> None:
    optimizer = factory.build(
        network("test_vit"),
        Optim(name="sam", sam_base="adamp", sam_rho=0.5, lr=0.25, layer_decay=0.5),
    )
    assert isinstance(optimizer, Sam)
    assert type(optimizer.base).__name__ == "AdamP"
    assert optimizer.rho == 0.5
    factory.set_rate(optimizer, 0.125)
    rates = {group["lr"] for group in optimizer.base.param_groups}
    assert max(rates) == 0.125
    assert len(rates) > 5


@pytest.mark.parametrize("base", ["sam", "adahessian", "sgdd"])
def test_a_base_that_sam_cannot_have_is_refused(base: str) -> None:
    with pytest.raises(UserError, match=rf"optim.sam_base: there is no '{base}'; did you mean"):
        factory.build(model(), Optim(name="sam", sam_base=base))


def test_sam_is_offered() -> None:
    assert "sam" in factory.names()
    factory.check_name("sam")


def test_unknown_name_comes_with_the_nearest() -> None:
    with pytest.raises(UserError) as raised:
        factory.build(model(), Optim(name="adamm"))
    assert str(raised.value) == "optim.name: there is no 'adamm'; did you mean adam?"


@pytest.mark.parametrize("name", ["kron", "adahessian"])
def test_what_could_not_be_resumed_is_not_offered(name: str) -> None:
    assert name not in factory.names()
    with pytest.raises(UserError, match="there is no"):
        factory.check_name(name)


@pytest.mark.parametrize(
    ("setting", "optim"),
    [
        ("optim.name", Optim(name="fusedadam")),
        ("optim.sam_base", Optim(name="sam", sam_base="fusedadam")),
    ],
)
def test_what_needs_another_package_is_told(
    setting: str, optim: Optim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_apex(*arguments: object, **options: object) -> None:
        raise AssertionError("CUDA required for APEX optimizers")

    monkeypatch.setattr(factory, "create_optimizer_v2", needs_apex)
    with pytest.raises(UserError, match=rf"{setting}=fusedadam: cannot be built here \(CUDA req"):
        factory.build(model(), optim)
