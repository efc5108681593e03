"""Rotation against torchvision's, and against quarter turns, which move whole pixels."""

import pytest
import torch
from image_factory import CONTEXT, FILL_C11, LAST, column, images
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.transforms import rotation


def rotated(pixels: torch.Tensor, angles: list[float], degrees: float) -> torch.Tensor:
    made = rotation.build(rotation.Settings(degrees=degrees), CONTEXT)
    return made(pixels, column(*((angle / degrees + 1) / 2 for angle in angles)))


@pytest.mark.parametrize("size", [(64, 48), (33, 47)])
def test_each_image_is_turned_as_by_torchvision_on_a_sheet_of_the_fill(
    size: tuple[int, int],
) -> None:
    angles = [-10.0, -3.3, 0.0, 7.0, 9.99]
    pixels = images(len(angles), *size)
    found = rotated(pixels, angles, 10)
    # A wide border makes the sheet, so that torchvision's own filling is never seen.
    border = 30
    sheet = FILL_C11.repeat(len(angles), 1, size[0] + 2 * border, size[1] + 2 * border)
    sheet[:, :, border:-border, border:-border] = pixels
    for i, angle in enumerate(angles):
        wanted = tv.rotate(sheet[i], angle, InterpolationMode.BILINEAR)
        wanted = wanted[:, border:-border, border:-border]
        torch.testing.assert_close(found[i], wanted, rtol=0, atol=0.02)


def test_quarter_and_half_turns_move_whole_pixels() -> None:
    pixels = images(3, 40, 40)
    found = rotated(pixels, [-90, 0, 90], 180)
    for i, turns in enumerate([-1, 0, 1]):
        torch.testing.assert_close(found[i], pixels[i].rot90(turns, (1, 2)), rtol=0, atol=0.02)
    found = rotated(images(1), [-180], 180)
    torch.testing.assert_close(found, images(1).flip(2, 3), rtol=0, atol=0.02)


def test_corners_that_come_into_view_have_the_fill() -> None:
    white = torch.full((2, 3, 64, 48), 255.0)
    found = rotation.build(rotation.Settings(degrees=45.0), CONTEXT)(white, column(0.0, LAST))
    for corner in (found[..., 0, 0], found[..., 0, -1], found[..., -1, 0], found[..., -1, -1]):
        torch.testing.assert_close(corner, FILL_C11.view(1, 3).expand(2, 3), rtol=0, atol=1e-3)
    assert (found[..., 20:44, 16:32] > 254.99).all()
