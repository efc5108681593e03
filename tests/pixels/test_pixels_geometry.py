"""Crop and resize, against torchvision and Pillow; the arithmetic of a face's box."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage.data import astronaut
from torchvision.transforms.functional import center_crop

from maskcls.config.values import Crop, Size
from maskcls.pixels import faces
from maskcls.pixels.cache import cache_place
from maskcls.pixels.faces import Box
from maskcls.pixels.geometry import Geometry, face_box

side = st.integers(1, 40)


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )


@settings(deadline=None)
@given(side, side, side, side)
def test_centre_crop_is_torchvisions(height: int, width: int, to_h: int, to_w: int) -> None:
    pixels = image(height, width)
    size = Size(to_h, to_w)
    expected = center_crop(torch.from_numpy(pixels).permute(2, 0, 1), [to_h, to_w])
    found = Geometry(Crop(size), size).apply(pixels)
    assert np.array_equal(found, expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("shape", [(30, 20), (5, 7), (64, 64)])
def test_resizing_is_pillows_bicubic(shape: tuple[int, int]) -> None:
    pixels = image(*shape)
    found = Geometry(Crop(None), Size(16, 12)).apply(pixels)
    expected = Image.fromarray(pixels).resize((12, 16), Image.Resampling.BICUBIC)
    assert (found.shape, found.dtype) == ((16, 12, 3), np.uint8)
    assert np.array_equal(found, np.asarray(expected))


def test_crop_comes_before_resize() -> None:
    pixels = image(40, 40)
    inner = Geometry(Crop(None), Size(8, 8)).apply(pixels[10:30, 10:30])
    assert np.array_equal(Geometry(Crop(Size(20, 20)), Size(8, 8)).apply(pixels), inner)


def test_the_same_size_is_left_alone() -> None:
    pixels = image(16, 12)
    assert np.array_equal(Geometry(Crop(None), Size(16, 12)).apply(pixels), pixels)


def test_json_comes_back_as_it_went() -> None:
    geometry = Geometry(Crop(Size(20, 10)), Size(8, 9))
    assert Geometry.from_json(geometry.to_json()) == geometry
    assert geometry.bytes_per_image == 8 * 9 * 3


def test_a_later_version_is_refused() -> None:
    later = Geometry(Crop(None), Size(8, 9)).to_json() | {"version": 2}
    with pytest.raises(ValueError, match="geometry version 2, this is 1"):
        Geometry.from_json(later)


def test_json_of_old_crops_is_what_old_caches_hold() -> None:
    old = {"crop": "center:20x10", "size": "8x9", "filter": "bicubic", "version": 1}
    assert Geometry(Crop(Size(20, 10)), Size(8, 9)).to_json() == old
    assert Geometry(Crop(None), Size(8, 9)).to_json() == old | {"crop": "none"}


def test_json_of_a_face_crop_names_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = Geometry(Crop(margin=0.25), Size(8, 9))
    values = json.loads(json.dumps(geometry.to_json()))
    assert Geometry.from_json(values) == geometry
    assert values["crop"] == "face:0.25"
    assert values["face"]["min_score"] == faces.MIN_SCORE
    monkeypatch.setitem(faces.DETECTOR, "version", 2)
    assert geometry.to_json() != values
    with pytest.raises(ValueError, match=r"faces found by .*'version': 1.* this is .*'version': 2"):
        Geometry.from_json(values)


def expect_face(monkeypatch: pytest.MonkeyPatch, face: Box | None) -> None:
    monkeypatch.setattr(faces, "find_face", lambda pixels: face)


def pillows(pixels: np.ndarray, box: Box, size: Size) -> np.ndarray:
    """Pillow's crop, black outside, and resize."""
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    wanted = (size.width, size.height)
    image = Image.fromarray(pixels).crop(edges)
    return np.asarray(image.resize(wanted, Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("face", "margin", "size", "expected"),
    [
        # 20x10 and half of it on each side: 40x20; square by widening to 40x40 around (50, 35).
        (Box(40, 30, 20, 10), 0.5, Size(32, 32), Box(30, 15, 40, 40)),
        # 40x20 again, to twice as wide as high: 40x80, as wide as the image.
        (Box(40, 30, 20, 10), 0.5, Size(16, 32), Box(30, 0, 40, 80)),
        # 10x20 without margin, to twice as high as wide: 40x20 around (45, 40).
        (Box(40, 30, 10, 20), 0.0, Size(64, 32), Box(25, 30, 40, 20)),
        # Around (5, 75) it would begin at -5 and end at 85: moved down and left, into the image.
        (Box(0, 70, 10, 10), 0.5, Size(7, 7), Box(0, 60, 20, 20)),
        # Twice as large as the image's 80: it holds the whole width; 100 of its 160 rows are image.
        (Box(20, 10, 60, 80), 0.5, Size(8, 8), Box(-30, -30, 160, 160)),
        # The same, with the face low: its centre would put the image's first rows out; moved up.
        (Box(40, 60, 60, 80), 0.5, Size(8, 8), Box(-10, 0, 160, 160)),
    ],
)
def test_face_crop_worked_by_hand(
    face: Box, margin: float, size: Size, expected: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = image(100, 80)
    expect_face(monkeypatch, face)
    assert face_box(face, margin, size, 100, 80) == expected
    found, has_face = Geometry(Crop(margin=margin), size).apply_and_report(pixels)
    assert has_face
    assert np.array_equal(found, pillows(pixels, expected, size))


@st.composite
def faces_in_images(draw: st.DrawFn) -> tuple[Box, int, int]:
    """A face of which at least one pixel is in the image, and the image's height and width."""
    height, width = draw(st.integers(1, 600)), draw(st.integers(1, 600))
    tall, wide = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    top = draw(st.integers(1 - tall, height - 1))
    left = draw(st.integers(1 - wide, width - 1))
    return Box(top, left, tall, wide), height, width


margins = st.integers(0, 3000).map(lambda thousandths: thousandths / 1000)
sizes = st.builds(Size, st.integers(1, 600), st.integers(1, 600))


@settings(deadline=None, max_examples=30)
@given(faces_in_images(), margins, sizes)
def test_face_box_keeps_its_promises(
    placed: tuple[Box, int, int], margin: float, size: Size
) -> None:
    face, height, width = placed
    box = face_box(face, margin, size, height, width)
    # The output's shape: both sides are within half a pixel of an exact one.
    slack = 0.5 / size.height + 0.5 / size.width + 1e-9
    assert abs(box.height / size.height - box.width / size.width) <= slack
    # The margin on every side, on one axis no more than that.
    extra_y = box.height - face.height * (1 + 2 * margin)
    extra_x = box.width - face.width * (1 + 2 * margin)
    assert min(extra_y, extra_x) >= -0.5 - 1e-6
    assert min(abs(extra_y), abs(extra_x)) <= 0.5 + 1e-6
    for start, length, face_start, face_length, image_length in (
        (box.top, box.height, face.top, face.height, height),
        (box.left, box.width, face.left, face.width, width),
    ):
        end, face_end = start + length, face_start + face_length
        # In the image, or around it.
        assert (start >= 0 and end <= image_length) or (start <= 0 and end >= image_length)
        # All of the face that the image shows.
        assert start <= max(face_start, 0)
        assert end >= min(face_end, image_length)
        # Around the face's centre, unless it was moved, and then no further than to the edge.
        off = (start + end) / 2 - (face_start + face_end) / 2
        if abs(off) > 0.5:
            assert 0 in (start, end - image_length)
            outside = (start - off) < 0 or (end - off) > image_length
            assert outside


@settings(deadline=None, max_examples=30)
@given(faces_in_images(), margins, st.builds(Size, side, side))
def test_face_crop_is_pillows_crop_of_the_box(
    placed: tuple[Box, int, int], margin: float, size: Size
) -> None:
    face, height, width = placed
    face = Box(
        *(x // 10 for x in (face.top, face.left)), face.height // 10 + 1, face.width // 10 + 1
    )
    pixels = image(height // 10 + 1, width // 10 + 1)
    with pytest.MonkeyPatch.context() as patch:
        expect_face(patch, face)
        found = Geometry(Crop(margin=margin), size).apply(pixels)
    box = face_box(face, margin, size, *pixels.shape[:2])
    assert np.array_equal(found, pillows(pixels, box, size))


@pytest.mark.parametrize("crop", [Crop(margin=0.3), Crop(fill=True)])
@pytest.mark.parametrize("size", [Size(16, 16), Size(32, 16), Size(16, 32), Size(40, 30)])
@pytest.mark.parametrize("shape", [(64, 48), (48, 64), (80, 80), (40, 160)])
def test_filling_is_pillows_fit_and_so_is_a_face_crop_without_a_face(
    shape: tuple[int, int], size: Size, crop: Crop, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect_face(monkeypatch, None)
    pixels = smooth(*shape)
    found, has_face = Geometry(crop, size).apply_and_report(pixels)
    assert has_face == crop.fill
    wanted = (size.width, size.height)
    expected = ImageOps.fit(Image.fromarray(pixels), wanted, Image.Resampling.BICUBIC)
    # Pillow cuts at fractions of a pixel, we at whole ones.
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 4


def smooth(height: int, width: int) -> np.ndarray:
    """An image whose every place has its own colour: brighter to the bottom and to the right."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, rows * 0], 2).astype(np.uint8)


@settings(deadline=None, max_examples=30)
@given(side, side, sizes)
def test_filling_never_pads_and_nor_does_a_face_crop_without_a_face(
    height: int, width: int, size: Size
) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        expect_face(patch, None)
        without_face, has_face = Geometry(Crop(margin=0.3), size).apply_and_report(white)
    assert not has_face
    filled = Geometry(Crop(fill=True), size).apply(white)
    for found in (filled, without_face):
        assert found.shape == (size.height, size.width, 3)
        assert (found == 255).all()


def test_filling_cuts_the_largest_centred_box_of_the_outputs_shape() -> None:
    pixels = image(30, 41)
    assert np.array_equal(Geometry(Crop(fill=True), Size(30, 30)).apply(pixels), pixels[:, 6:36])
    assert np.array_equal(Geometry(Crop(fill=True), Size(30, 41)).apply(pixels), pixels)
    half = Geometry(Crop(fill=True), Size(15, 15)).apply(pixels)
    assert np.array_equal(half, Geometry(Crop(), Size(15, 15)).apply(pixels[:, 6:36]))


def test_filling_is_a_geometry_of_its_own(tmp_path: Path) -> None:
    fill, none = Geometry(Crop(fill=True), Size(8, 9)), Geometry(Crop(), Size(8, 9))
    values = json.loads(json.dumps(fill.to_json()))
    assert values == {"crop": "fill", "size": "8x9", "filter": "bicubic", "version": 1}
    assert Geometry.from_json(values) == fill
    assert not fill.needs_face
    digests = np.zeros((1, 16), np.uint8)
    assert len({cache_place(tmp_path, digests, one).key for one in (fill, none)}) == 2


@pytest.mark.parametrize("crop", [Crop(), Crop.center_of(30, 30), Crop(fill=True)])
def test_other_crops_want_no_face(crop: Crop, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_face(monkeypatch, None)
    geometry = Geometry(crop, Size(12, 9))
    found, has_face = geometry.apply_and_report(image(40, 30))
    assert has_face
    assert np.array_equal(found, geometry.apply(image(40, 30)))


def test_a_real_face_fills_the_crop() -> None:
    pixels = astronaut()
    found, has_face = Geometry(Crop(margin=0.0), Size(112, 90)).apply_and_report(pixels)
    assert has_face
    face = faces.find_face(pixels)
    again = faces.find_face(found)
    assert face is not None
    assert again is not None
    assert abs(again.height - 112) < 15
    assert abs(again.width - 90) < 15
