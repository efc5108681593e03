"""CLAHE against kornia's in YCbCr and against OpenCV's."""

import kornia
import pytest
import torch
from image_factory import CONTEXT, column, draws, images

from maskcls.augment.transforms import clahe

EVERYBODY = clahe.Settings(prob=1.0)


def without_ties(pixels: torch.Tensor) -> torch.Tensor:
    """Images none of whose lumas is a half, which two implementations may round differently."""
    thousandths = (pixels * torch.tensor([299.0, 587.0, 114.0]).view(3, 1, 1)).sum(1)
    red = torch.where(thousandths % 1000 == 500, (pixels[:, 0] - 1).abs(), pixels[:, 0])
    return torch.cat([red.unsqueeze(1), pixels[:, 1:]], dim=1)


@pytest.mark.parametrize("size", [(64, 48), (33, 47), (61, 90)])
def test_each_image_is_equalised_as_by_kornia_in_ycbcr(size: tuple[int, int]) -> None:
    pixels = without_ties(images(3, *size))
    found = clahe.build(EVERYBODY, CONTEXT)(pixels, draws(3, clahe.NUM_DRAWS))
    for i in range(len(pixels)):
        ycbcr = kornia.color.rgb_to_ycbcr(pixels[i : i + 1] / 255)
        # Whole levels, as OpenCV counts them; kornia would cut off and lose the quarter.
        level = ((ycbcr[:, :1] * 255).round() + 0.25) / 255
        ycbcr[:, :1] = kornia.enhance.equalize_clahe(level.clamp(max=1), 2.0, (8, 8))
        wanted = kornia.color.ycbcr_to_rgb(ycbcr).clamp(0, 1)[0] * 255
        torch.testing.assert_close(found[i], wanted, rtol=0, atol=0.01)
        assert (wanted - pixels[i]).abs().mean() > 3


@pytest.mark.parametrize("clip", [1.0, 2.0, 4.0])
def test_gray_images_become_nearly_opencvs(clip: float) -> None:
    cv2 = pytest.importorskip("cv2")
    gray = images(2, 256, 256)[:, :1]
    settings = clahe.Settings(prob=1.0, clip=clip)
    found = clahe.build(settings, CONTEXT)(gray.repeat(1, 3, 1, 1), draws(2, 1))
    for i in range(len(gray)):
        wanted = torch.from_numpy(
            cv2.createCLAHE(clip, (8, 8)).apply(gray[i, 0].byte().numpy())
        ).float()
        # Kornia blends between tiles half a pixel from where OpenCV does, and does not round.
        assert (found[i] - wanted).abs().mean() < 0.06 * (gray[i] - wanted).abs().mean()
        assert (gray[i] - wanted).abs().mean() > 3


def test_colour_differences_stay_where_nothing_is_cut_off() -> None:
    pixels = images(3, seed=5)
    found = clahe.build(EVERYBODY, CONTEXT)(pixels, draws(3, 1))
    inside = ((found > 0) & (found < 255)).all(dim=1)
    assert inside.float().mean() > 0.5
    for a, b in ((0, 1), (1, 2)):
        before, after = pixels[:, a] - pixels[:, b], found[:, a] - found[:, b]
        torch.testing.assert_close(after[inside], before[inside], rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(64, 48), (33, 47), (10, 9), (3, 70)])
@pytest.mark.parametrize("grid", [1, 3, 8, 64])
def test_any_grid_fits_any_image(size: tuple[int, int], grid: int) -> None:
    pixels = images(2, *size)
    found = clahe.build(clahe.Settings(prob=1.0, grid=grid), CONTEXT)(pixels, draws(2, 1))
    assert found.shape == pixels.shape
    assert found.isfinite().all()


def test_only_the_drawn_are_equalised() -> None:
    pixels = images(3)
    found = clahe.build(clahe.Settings(), CONTEXT)(pixels, column(0.7, 0.2, 0.5))
    assert torch.equal(found[[0, 2]], pixels[[0, 2]])
    assert not torch.equal(found[1], pixels[1])
