"""CutMix: boxes as the authors' code draws them, shares by the pixels that are left."""

import math

import pytest
import torch
from image_factory import CONTEXT, LAST, draws, images

from maskcls.augment.transforms import cutmix


def authors_box(
    height: int, width: int, kept: float, down: float, across: float
) -> tuple[slice, slice]:
    """rand_bbox of the authors' train.py, with its random numbers handed in; rows before columns."""
    ratio = math.sqrt(1 - kept)
    cut_h, cut_w = int(height * ratio), int(width * ratio)
    y, x = int(down * height), int(across * width)
    rows = slice(max(y - cut_h // 2, 0), min(y + cut_h // 2, height))
    return rows, slice(max(x - cut_w // 2, 0), min(x + cut_w // 2, width))


@pytest.mark.parametrize("size", [(64, 48), (33, 47)])
def test_boxes_and_shares_are_the_authors(size: tuple[int, int]) -> None:
    count = 60
    pixels, partner = images(count, *size), images(count, *size, seed=1)
    drawn = draws(count, cutmix.NUM_DRAWS)
    drawn[0], drawn[1] = 0, LAST
    drawn[2] = torch.tensor([0, 0, 0.5, 0.5])  # the share is 0: the box is all there is
    mixed, share = cutmix.build(cutmix.Settings(), CONTEXT)(pixels, partner, drawn)
    for i in range(count):
        # alpha is 1, and the draw of Beta(1, 1) is the share itself
        rows, columns = authors_box(*size, *drawn[i, 1:].tolist())
        wanted = pixels[i].clone()
        wanted[:, rows, columns] = partner[i, :, rows, columns]
        assert torch.equal(mixed[i], wanted)
        taken = (rows.stop - rows.start) * (columns.stop - columns.start)
        own = size[0] * size[1] - taken
        assert share[i] == torch.tensor(own / (size[0] * size[1]), dtype=torch.float32)
    assert share.min() < 0.1
    assert share.max() > 0.9


def test_small_alpha_takes_nearly_all_or_nothing() -> None:
    tiny = torch.zeros(1, 3, 40, 40).expand(3000, -1, -1, -1)
    drawn = draws(3000, cutmix.NUM_DRAWS)
    drawn[:, 2:] = 0.5  # in the middle: no border cuts the box
    _, share = cutmix.build(cutmix.Settings(alpha=0.05), CONTEXT)(tiny, tiny, drawn)
    # Beta(.05, .05): 45 % of it lies in either outer tenth
    for tenth in (share < 0.1, share > 0.9):
        assert tenth.float().mean().item() == pytest.approx(0.45, abs=0.04)


def test_who_is_not_drawn_stays_alone() -> None:
    pixels, partner, drawn = images(4), images(4, seed=1), draws(4, cutmix.NUM_DRAWS)
    drawn[:, 0] = torch.tensor([0.2, 0.3, 0.6, 0.0])
    mixed, share = cutmix.build(cutmix.Settings(prob=0.3), CONTEXT)(pixels, partner, drawn)
    assert torch.equal(mixed[1:3], pixels[1:3])
    assert share[1:3].tolist() == [1, 1]
