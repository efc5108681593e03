"""Gray images against torchvision."""

import torch
from image_factory import CONTEXT, column, images
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.transforms import grayscale


def test_drawn_images_become_torchvisions_gray() -> None:
    pixels = images(4)
    found = grayscale.build(grayscale.Settings(), CONTEXT)(pixels, column(0.0, 0.19, 0.2, 0.9))
    wanted = tv.rgb_to_grayscale(pixels[:2], num_output_channels=3)
    torch.testing.assert_close(found[:2], wanted, rtol=0, atol=1e-3)
    assert torch.equal(found[2:], pixels[2:])
