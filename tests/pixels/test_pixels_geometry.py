"""Crop and resize, against torchvision and Pillow."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.functional import center_crop

from maskcls.config.sizes import Crop, Size
from maskcls.pixels.geometry import Geometry

side = st.integers(1, 40)


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )


@settings(deadline=None)
@given(side, side, side, side)
def test_centre_crop_is_torchvisions(height: int, width: int, to_h: int, to_w: int) -> None:
    pixels = photo(height, width)
    size = Size(to_h, to_w)
    expected = center_crop(torch.from_numpy(pixels).permute(2, 0, 1), [to_h, to_w])
    found = Geometry(Crop(size), size).apply(pixels)
    assert np.array_equal(found, expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("shape", [(30, 20), (5, 7), (64, 64)])
def test_resizing_is_pillows_bicubic(shape: tuple[int, int]) -> None:
    pixels = photo(*shape)
    found = Geometry(Crop(None), Size(16, 12)).apply(pixels)
    expected = Image.fromarray(pixels).resize((12, 16), Image.Resampling.BICUBIC)
    assert (found.shape, found.dtype) == ((16, 12, 3), np.uint8)
    assert np.array_equal(found, np.asarray(expected))


def test_crop_comes_before_resize() -> None:
    pixels = photo(40, 40)
    inner = Geometry(Crop(None), Size(8, 8)).apply(pixels[10:30, 10:30])
    assert np.array_equal(Geometry(Crop(Size(20, 20)), Size(8, 8)).apply(pixels), inner)


def test_the_same_size_is_left_alone() -> None:
    pixels = photo(16, 12)
    assert np.array_equal(Geometry(Crop(None), Size(16, 12)).apply(pixels), pixels)


def test_json_comes_back_as_it_went() -> None:
    geometry = Geometry(Crop(Size(20, 10)), Size(8, 9))
    assert Geometry.from_json(geometry.to_json()) == geometry
    assert geometry.bytes_per_photo == 8 * 9 * 3


def test_a_later_version_is_refused() -> None:
    later = Geometry(Crop(None), Size(8, 9)).to_json() | {"version": 2}
    with pytest.raises(ValueError, match="geometry version 2, this is 1"):
        Geometry.from_json(later)
