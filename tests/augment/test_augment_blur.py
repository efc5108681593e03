"""Blur against kornia's and torchvision's Gaussian, one image after the other."""

import pytest
import torch
from image_factory import CONTEXT, LAST, column, draws, images
from kornia.filters import gaussian_blur2d
from torchvision.transforms.v2 import functional as tv

from maskcls.augment.transforms import blur
from maskcls.core.errors import UserError


@pytest.mark.parametrize("size", [(64, 48), (33, 47)])
@pytest.mark.parametrize(
    ("least", "most", "kernel"), [(0.1, 2.0, 13), (1.5, 3.1, 21), (0.3, 0.3, 3)]
)
def test_each_image_is_blurred_as_by_kornia_and_torchvision(
    size: tuple[int, int], least: float, most: float, kernel: int
) -> None:
    pixels, drawn = images(5, *size), draws(5, blur.NUM_DRAWS)
    drawn[0, 1], drawn[1, 1] = 0.0, LAST
    settings = blur.Settings(prob=1.0, sigma_min=least, sigma_max=most)
    found = blur.build(settings, CONTEXT)(pixels, drawn)
    for i in range(len(pixels)):
        sigma = least + (most - least) * drawn[i, 1].item()
        image = pixels[i : i + 1]
        by_kornia = gaussian_blur2d(image, (kernel, kernel), (sigma, sigma), border_type="reflect")
        by_torchvision = tv.gaussian_blur(image, [kernel, kernel], [sigma, sigma])
        torch.testing.assert_close(found[i : i + 1], by_kornia, rtol=0, atol=0.01)
        torch.testing.assert_close(found[i : i + 1], by_torchvision, rtol=0, atol=0.01)


def test_the_first_draw_decides_who_is_blurred() -> None:
    pixels = images(4)
    drawn = torch.cat([column(0.0, 0.49, 0.5, LAST), column(1, 1, 1, 1) * 0.9], dim=1)
    found = blur.build(blur.Settings(), CONTEXT)(pixels, drawn)
    assert torch.equal(found[2:], pixels[2:])
    assert (found[:2] - pixels[:2]).abs().mean() > 1


def test_a_image_smaller_than_the_kernel_is_blurred_as_far_as_it_reaches() -> None:
    made = blur.build(blur.Settings(prob=1.0, sigma_min=9.0, sigma_max=10.0), CONTEXT)
    even = torch.full((2, 3, 9, 21), 77.0)
    torch.testing.assert_close(made(even, draws(2, 2)), even)
    small = images(2, 9, 21)
    found = made(small, draws(2, 2))
    torch.testing.assert_close(found.flip(2, 3), made(small.flip(2, 3), draws(2, 2)))
    assert found.std() < 0.6 * small.std()


def test_sigmas_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"^augment\.blur\.sigma_min must not be above"):
        blur.Settings(sigma_min=3.0)
