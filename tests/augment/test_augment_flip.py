"""Mirroring against torchvision."""

import torch
from image_factory import CONTEXT, LAST, column, images
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.transforms import flip


def test_the_draw_decides_who_is_mirrored() -> None:
    pixels = images(4)
    found = flip.build(flip.Settings(), CONTEXT)(pixels, column(0.0, 0.49, 0.5, LAST))
    assert torch.equal(found[:2], tv.horizontal_flip(pixels[:2]))
    assert torch.equal(found[2:], pixels[2:])


def test_prob_1_mirrors_everybody() -> None:
    pixels = images(2)
    found = flip.build(flip.Settings(prob=1.0), CONTEXT)(pixels, column(0.0, LAST))
    assert torch.equal(found, pixels.flip(3))
