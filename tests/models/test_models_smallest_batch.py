"""Which networks cannot train on one image, found without computing or changing anything."""

import pytest
import torch
from network_factory import build, describe
from torch import nn

from maskcls.config.values import Size
from maskcls.models import network as networks
from maskcls.models.network import Network
from maskcls.models.smallest_batch import smallest_batch


@pytest.mark.parametrize(
    ("backbone", "size", "wanted"),
    [
        ("test_efficientnet", Size(32, 32), 2),  # its last map is 1x1 there
        ("test_efficientnet", Size(64, 64), 1),
        ("rexnet_100", Size(128, 96), 2),  # squeezes to 1x1 and normalises
        ("test_vit", Size(32, 32), 1),  # no batch normalisation
        ("test_convnext", Size(32, 32), 1),
    ],
)
def test_it_is_what_training_on_one_image_says(backbone: str, size: Size, wanted: int) -> None:
    network, _ = networks.build(describe(backbone=backbone), size)
    pixels = torch.randn(1, 3, size.height, size.width)
    if wanted == 1:
        network.train()(pixels)
    else:
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            network.train()(pixels)
    network.train()(pixels.repeat(wanted, 1, 1, 1))
    assert smallest_batch(network, size) == wanted


@pytest.mark.parametrize("head", ["single", "separate"])
def test_weights_statistics_modes_and_random_state_stay(head: str) -> None:
    network = build(describe(head)).train()
    network.head.eval()
    modes = [module.training for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.get_rng_state()
    smallest_batch(network, Size(32, 32))
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_a_network_that_cannot_be_asked_counts_as_one_that_takes_one() -> None:
    class Asks(nn.Module):
        def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
            return pixels_BCHW * pixels_BCHW.sum().item()  # no number on the meta device

    assert smallest_batch(Network(Asks(), build(describe()).head), Size(8, 8)) == 1
