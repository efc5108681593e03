"""Erased boxes: inside, of the drawn area and aspect, and distributed as torchvision's."""

import pytest
import torch
from image_factory import CONTEXT, FILL_C11, draws, images
from torchvision.transforms import v2

from maskcls.augment.transforms import erasing
from maskcls.core.errors import UserError


def boxes(settings: erasing.Settings, height: int, width: int, count: int) -> torch.Tensor:
    """Height and width of each image's box, float64 [count, 2]; checks that it is a box."""
    white = torch.full((1, 1, 1, 1), 255.0).expand(count, 3, height, width)
    found = erasing.build(settings, CONTEXT)(white, draws(count, erasing.NUM_DRAWS))
    erased = found[:, 0] != 255
    assert torch.equal(
        found.transpose(0, 1)[:, erased], FILL_C11.view(3, 1).expand(3, erased.sum())
    )
    tall, wide = erased.any(2).sum(1), erased.any(1).sum(1)
    assert torch.equal(erased.sum((1, 2)), tall * wide)
    for any_line in (erased.any(2), erased.any(1)):  # one run without gaps
        assert (any_line.int().diff(dim=1) == 1).sum(1).max() <= 1
    return torch.stack([tall, wide], dim=1).double()


def test_areas_are_uniform_and_aspects_log_uniform_as_torchvisions_are() -> None:
    # So chosen that every box fits: sides of at most .8 of the image's.
    count, side = 2000, 100
    settings = erasing.Settings(prob=1.0, area_min=0.04, area_max=0.32, aspect_min=0.5)
    torch.manual_seed(0)
    theirs = v2.RandomErasing(p=1.0, scale=(0.04, 0.32), ratio=(0.5, 2.0), value=1)
    black = torch.zeros(1, side, side)
    erased = torch.stack([theirs(black)[0] for _ in range(count)])
    wanted = torch.stack([erased.amax(2).sum(1), erased.amax(1).sum(1)], dim=1).double()
    found = boxes(settings, side, side, count)
    tenths = torch.arange(0.05, 1, 0.1, dtype=torch.float64)
    areas = [(box.prod(1) / side**2).quantile(tenths) for box in (found, wanted)]
    aspects = [(box[:, 0] / box[:, 1]).log().quantile(tenths) for box in (found, wanted)]
    torch.testing.assert_close(areas[0], 0.04 + 0.28 * tenths, rtol=0, atol=0.012)
    torch.testing.assert_close(areas[0], areas[1], rtol=0, atol=0.02)
    log_2 = torch.tensor(2.0, dtype=torch.float64).log()
    torch.testing.assert_close(aspects[0], log_2 * (2 * tenths - 1), rtol=0, atol=0.06)
    torch.testing.assert_close(aspects[0], aspects[1], rtol=0, atol=0.1)


def test_boxes_lie_anywhere_inside() -> None:
    height, width, count = 20, 30, 4000
    settings = erasing.Settings(prob=1.0, area_min=0.03, area_max=0.03, aspect_min=1.0)
    white = torch.full((count, 3, height, width), 255.0)
    found = erasing.build(settings, CONTEXT)(white, draws(count, erasing.NUM_DRAWS))
    erased = (found[:, 0] != 255).float()
    # 600 * .03 = 18 pixels: 4 x 4, so 17 x 27 places, and a corner pixel is in one of them.
    assert set(erased.sum((1, 2)).tolist()) == {16.0}
    share = erased.mean(0)
    places = 17 * 27
    for corner in (share[0, 0], share[0, -1], share[-1, 0], share[-1, -1]):
        assert 0.2 / places < corner < 2.5 / places
    inner = share[4:-4, 4:-4].mean().item()
    assert inner == pytest.approx(16 / places, rel=0.05)


def test_a_box_too_long_is_cut_to_the_side() -> None:
    settings = erasing.Settings(prob=1.0, area_min=0.5, area_max=1.0, aspect_min=0.05)
    found = boxes(settings, 40, 24, 500)
    assert found[:, 0].max() == 40
    assert found[:, 1].max() == 24
    assert found.min() >= 1


def test_defaults_erase_half_of_the_images_and_touch_no_other_pixel() -> None:
    pixels, drawn = images(200), draws(200, erasing.NUM_DRAWS)
    found = erasing.build(erasing.Settings(), CONTEXT)(pixels, drawn)
    changed = (found != pixels).flatten(1).any(1)
    assert torch.equal(changed, drawn[:, 0] < 0.5)
    assert torch.equal(found[~(found == FILL_C11)], pixels[~(found == FILL_C11)])


def test_areas_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"^augment\.erasing\.area_min must not be above"):
        erasing.Settings(area_min=0.5)
