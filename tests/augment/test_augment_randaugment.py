"""RandAugment against torchvision's, operation by operation and as a whole, image by image."""

import pytest
import torch
from image_factory import CONTEXT, LAST, draws, images
from torchvision.transforms import v2

from maskcls.augment.transforms import randaugment

THEIRS = v2.RandAugment(fill=[*CONTEXT.fill])
NAMES = {
    "identity": "Identity",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
    "rotate": "Rotate",
    "solarize": "Solarize",
    "colour": "Color",
    "posterize": "Posterize",
    "contrast": "Contrast",
    "brightness": "Brightness",
    "sharpness": "Sharpness",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
}


def torchvisions(image: torch.Tensor, name: str, magnitude: int, sign: int) -> torch.Tensor:
    """What torchvision's RandAugment makes of one image, uint8 [C, H, W]."""
    strengths, signed = THEIRS._AUGMENTATION_SPACE[NAMES[name]]
    found = strengths(31, *image.shape[1:])
    strength = 0.0 if found is None else float(found[magnitude]) * (sign if signed else 1)
    out: torch.Tensor = THEIRS._apply_image_or_video_transform(
        image, NAMES[name], strength, THEIRS.interpolation, THEIRS._fill
    )
    return out


def test_the_list_is_torchvisions() -> None:
    listed = randaugment.operations(9, CONTEXT.fill)
    assert {NAMES[name] for name in listed} == set(THEIRS._AUGMENTATION_SPACE)


@pytest.mark.parametrize("magnitude", [0, 1, 9, 10, 30])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("name", NAMES)
def test_each_operation_is_torchvisions(name: str, sign: int, magnitude: int) -> None:
    for size in [(64, 48), (33, 47)]:
        pixels = images(3, *size).byte()
        found = randaugment.operations(magnitude, CONTEXT.fill)[name](pixels, sign)
        for i in range(len(pixels)):
            wanted = torchvisions(pixels[i], name, magnitude, sign)
            assert torch.equal(found[i], wanted)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_each_image_goes_through_the_operations_that_it_drew(n: int) -> None:
    pixels, drawn = images(40), draws(40, randaugment.NUM_DRAWS)
    drawn[0], drawn[1] = 0.0, LAST
    found = randaugment.build(randaugment.Settings(n=n), CONTEXT)(pixels, drawn)
    listed = [*randaugment.operations(9, CONTEXT.fill)]
    for i in range(len(pixels)):
        wanted = pixels[i].byte()
        for step in range(n):
            which, sign = drawn[i, 2 * step : 2 * step + 2].tolist()
            wanted = torchvisions(wanted, listed[int(which * 14)], 9, -1 if sign < 0.5 else 1)
        assert torch.equal(found[i], wanted.float())


def test_fractions_are_rounded_to_the_nearest_byte() -> None:
    still = torch.zeros(1, randaugment.NUM_DRAWS, dtype=torch.float64)  # identity, twice
    pixels = images(1) * 0.999
    found = randaugment.build(randaugment.Settings(), CONTEXT)(pixels, still)
    assert torch.equal(found, pixels.round())
