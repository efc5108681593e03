"""Brightness, contrast and saturation against torchvision's, one image after the other."""

import pytest
import torch
from image_factory import CONTEXT, LAST, draws, images
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.transforms import colour


@pytest.mark.parametrize("reach", [(0.2, 0.2, 0.2), (0.9, 0.5, 1.0), (0.0, 0.0, 0.8)])
def test_each_image_becomes_what_torchvision_makes_of_it(reach: tuple[float, ...]) -> None:
    pixels, drawn = images(6), draws(6, colour.NUM_DRAWS)
    drawn[0], drawn[1] = 0.0, LAST
    made = colour.Settings(brightness=reach[0], contrast=reach[1], saturation=reach[2])
    found = colour.build(made, CONTEXT)(pixels, drawn)
    for i in range(len(pixels)):
        brightness, contrast, saturation = (
            1 + (2 * draw - 1) * far for draw, far in zip(drawn[i].tolist(), reach, strict=True)
        )
        wanted = tv.adjust_brightness(pixels[i] / 255, brightness)
        wanted = tv.adjust_saturation(tv.adjust_contrast(wanted, contrast), saturation)
        torch.testing.assert_close(found[i], wanted * 255, rtol=0, atol=0.01)


def test_middle_draws_leave_the_image() -> None:
    pixels = images(2)
    drawn = torch.full((2, 3), 0.5, dtype=torch.float64)
    found = colour.build(colour.Settings(), CONTEXT)(pixels, drawn)
    torch.testing.assert_close(found, pixels, rtol=0, atol=1e-3)
