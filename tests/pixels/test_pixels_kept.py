"""The share of an image that a crop keeps, counted pixel by pixel, and its sentence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config.values import Crop, Size
from maskcls.pixels.geometry import Geometry
from maskcls.pixels.kept import kept_sentence, share_kept

OUT = Size(224, 224)
side = st.integers(1, 30)


@settings(deadline=None)
@given(side, side, side, side, st.sampled_from(["none", "fill", "center:7x11", "center:40x3"]))
def test_the_share_is_that_of_the_pixels_that_are_cut(
    height: int, width: int, to_h: int, to_w: int, text: str
) -> None:
    geometry = Geometry(Crop.parse(text), Size(to_h, to_w))
    numbers = np.arange(1, height * width + 1, dtype=np.int64).reshape(height, width)
    # Each pixel has a colour of its own, black means outside; the cut has the box's own size.
    pixels = np.stack([numbers % 251, numbers // 251, numbers * 0 + 255], 2).astype(np.uint8)
    box = geometry.center(height, width) or Size(height, width)
    cut = Geometry(Crop(box), box).apply(pixels)
    kept = int((cut[:, :, 2] == 255).sum())
    assert share_kept(geometry.crop, geometry.size, height, width) == kept / (height * width)


def test_a_face_crop_keeps_what_nobody_knows_before() -> None:
    assert share_kept(Crop.parse("face"), OUT, 30, 40) is None
    assert kept_sentence(Crop.parse("face"), OUT, {Size(30, 40): 2}) is None


def test_fill_keeps_all_that_the_shape_allows() -> None:
    assert share_kept(Crop.parse("fill"), OUT, 3000, 4000) == 0.75
    assert share_kept(Crop.parse("fill"), Size(300, 400), 3000, 4000) == 1


@pytest.mark.parametrize(
    ("crop", "sizes", "expected"),
    [
        ("none", {Size(9, 9): 1}, "none keeps all of every image"),
        ("center:384x384", {Size(100, 90): 5}, "center:384x384 keeps all of every image"),
        (
            "center:384x384",
            {Size(4000, 3000): 1},
            "center:384x384 keeps 1.2 % of every image (1 of 4000x3000)",
        ),
        (
            "center:384x384",
            {Size(100, 90): 1, Size(4000, 3000): 1200, Size(1000, 1000): 1, Size(7, 7): 0},
            "center:384x384 keeps 1.3 % of an image on average: from 1.2 % (1,200 of 4000x3000)"
            " to 100 % (1 of 100x90)",
        ),
        ("fill", {Size(300, 400): 2, Size(400, 300): 1}, "fill keeps 75 % of every image"),
        (
            "fill",
            {Size(1000, 1001): 1},
            "fill keeps 99.9 % of every image (1 of 1000x1001)",
        ),
    ],
)
def test_the_sentence(crop: str, sizes: dict[Size, int], expected: str) -> None:
    assert kept_sentence(Crop.parse(crop), OUT, sizes) == f"image.crop={expected}"


def test_without_images_there_is_no_sentence() -> None:
    assert kept_sentence(Crop.parse("fill"), OUT, {}) is None
