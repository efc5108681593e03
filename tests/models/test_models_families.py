"""One update of a network of each family of backbones, as training does it."""

import pytest
import torch
from network_factory import LOSSES, classes_at, one_hot_target

from maskcls.config.schema import Config, Model
from maskcls.config.values import Size
from maskcls.models import network as networks
from maskcls.optim import factory
from maskcls.training.objective import describe
from tests.tasks import MASK

CHANNELS_LAST = {
    "efficientnet_b0": True,
    "efficientnet_b3": True,
    "efficientnet_b6": True,
    "tf_efficientnet_b4": True,
    "tf_efficientnet_lite0": True,
    "efficientnetv2_rw_t": True,
    "resnext50_32x4d": True,
    "resnet18": True,
    "eca_nfnet_l0": False,
    "convnext_tiny": True,
    "swin_tiny_patch4_window7_224": False,
    "vit_tiny_patch16_224": False,
    "beit_base_patch16_224": False,
    "mobilenetv3_small_050": True,
}
"""Backbone -> whether it trains in channels_last."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANNELS_LAST)
def test_a_family_takes_an_update(name: str) -> None:
    config = Config(model=Model(backbone=name, weights="none"))
    described = describe(config, MASK)
    assert networks.wants_channels_last(described) is CHANNELS_LAST[name]
    torch.manual_seed(0)
    network, normalization = networks.build(described, Size(64, 64))
    assert len(normalization.mean) == len(normalization.std) == 3
    layout = torch.channels_last if CHANNELS_LAST[name] else torch.contiguous_format
    network = network.to(memory_format=layout)
    optimizer = factory.build(network, config.optim)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len([*network.parameters()])
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    images_BCHW = torch.randn(2, 3, 64, 64).contiguous(memory_format=layout)
    target = one_hot_target(classes_at(60)[:2], [25, 60])
    loss = network.train().head.loss(network(images_BCHW), target, LOSSES).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()

    assert loss.isfinite()
    # An untrained network says nothing: the loss is near log 18 = 2.9 (as far as two rows show).
    assert 2 < loss.item() < 4.5
    parameters = dict(network.named_parameters())
    with_gradient = set()
    for parameter_name, parameter in parameters.items():
        assert parameter.grad is not None, f"DDP would wait for {parameter_name} for ever"
        assert parameter.grad.isfinite().all(), parameter_name
        # What has a gradient moves; behind a gain that begins at 0 (ResNet, NFNet) there is none.
        has_moved = not torch.equal(parameter, before[parameter_name])
        if parameter.grad.count_nonzero():
            with_gradient.add(parameter_name)
        assert has_moved == (parameter_name in with_gradient), parameter_name
    stem = next(name for name in parameters if name.startswith("backbone."))
    assert {stem, "head.linear.weight", "head.linear.bias"} <= with_gradient
