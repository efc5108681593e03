"""Crop, then resize: the only way from an image's pixels to the network's input."""

from dataclasses import dataclass
from typing import NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskcls.config.values import Crop, Size
from maskcls.pixels import faces
from maskcls.pixels.faces import Box, Detector

VERSION = 1
"""Raised when the same settings would give other pixels, so that no old cache is read as new."""
Pixels = npt.NDArray[np.uint8]


class GeometryJson(TypedDict):
    """A Geometry in a checkpoint, a cache's manifest and a cache's key."""

    crop: str
    size: str
    filter: str
    version: int
    face: NotRequired[Detector]


@dataclass(frozen=True)
class Geometry:
    """Crop and size; part of every checkpoint and of every cache's key."""

    crop: Crop
    size: Size

    @classmethod
    def from_json(cls, values: GeometryJson) -> Self:
        """Read back to_json; ValueError when another version would give other pixels."""
        if values.get("version") != VERSION:
            raise ValueError(f"geometry version {values.get('version')}, this is {VERSION}")
        geometry = cls(Crop.parse(values["crop"]), Size.parse(values["size"]))
        if geometry.needs_face and values.get("face") != faces.DETECTOR:
            raise ValueError(f"faces found by {values.get('face')}, this is {faces.DETECTOR}")
        return geometry

    def to_json(self) -> GeometryJson:
        """Plain values that from_json reads and that a cache's key contains."""
        values: GeometryJson = {
            "crop": str(self.crop),
            "size": str(self.size),
            "filter": "bicubic",
            "version": VERSION,
        }
        # Without a face crop the detector changes no pixel, and must change no key.
        if self.needs_face:
            values["face"] = faces.DETECTOR
        return values

    @property
    def needs_face(self) -> bool:
        """Whether the pixels depend on where the face is."""
        return self.crop.margin is not None

    @property
    def bytes_per_image(self) -> int:
        """Bytes of one image's uint8 pixels."""
        return self.size.height * self.size.width * 3

    def center(self, height: int, width: int) -> Size | None:
        """Size of the box that is cut from the centre of an image; None for none, and for faces."""
        return _largest(self.size, height, width) if self.crop.fill else self.crop.center

    def apply(self, pixels: Pixels) -> Pixels:
        """Crop and resize one image; uint8 [H, W, 3] to uint8 [size.height, size.width, 3].

        See apply_and_report, which also returns whether the face was found.
        """
        return self.apply_and_report(pixels)[0]

    def apply_and_report(self, pixels: Pixels) -> tuple[Pixels, bool]:
        """Crop and resize one image; False when a face was required and none was found.

        pixels: uint8 [H, W, 3]. Returns uint8 [size.height, size.width, 3].

        The centre crop is torchvision's: offsets round((H - h) / 2); an image smaller than the crop
        is padded with black to it. "fill" is the largest centred box of the output's shape, within a
        pixel: nothing is padded or distorted. The face crop is face_box; without a face it is as
        "fill". Resizing is Pillow's bicubic filter, antialiased when shrinking.
        Raises UserError when faces are required and the detector is not installed.
        """
        if self.crop.margin is not None:
            return self._face_crop(pixels, self.crop.margin)
        kept = self.center(*pixels.shape[:2])
        if kept is not None:
            pixels = _center_crop(pixels, kept)
        return self._resize(pixels), True

    def _face_crop(self, pixels: Pixels, margin: float) -> tuple[Pixels, bool]:
        height, width = pixels.shape[:2]
        face = faces.find_face(pixels)
        if face is None:
            return self._resize(_center_crop(pixels, _largest(self.size, height, width))), False
        return self._resize(_cut(pixels, face_box(face, margin, self.size, height, width))), True

    def _resize(self, pixels: Pixels) -> Pixels:
        if pixels.shape[:2] == (self.size.height, self.size.width):
            return np.ascontiguousarray(pixels)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        wanted = (self.size.width, self.size.height)
        return np.asarray(image.resize(wanted, Image.Resampling.BICUBIC))


def face_box(face: Box, margin: float, size: Size, height: int, width: int) -> Box:
    """The box to cut for a face: margin on each side, the output's shape, in the image if it fits.

    margin: share of the face's height above and below, of its width left and right; size: of the
    output, whose shape the box gets by growing around the face on one axis, within a pixel;
    height, width: of the image [px]. A box that extends beyond the image is moved inside; on an axis
    on which it is larger than the image, it holds all of it.
    """
    share = 1 + 2 * margin
    # The larger scale, so that on both axes the box holds the face with its margin.
    scale = max(face.height * share / size.height, face.width * share / size.width)
    box_height, box_width = round(size.height * scale), round(size.width * scale)
    top = _inside(face.top + (face.height - box_height) / 2, box_height, height)
    left = _inside(face.left + (face.width - box_width) / 2, box_width, width)
    return Box(top, left, box_height, box_width)


def _inside(start: float, length: int, image: int) -> int:
    """Where the box begins so that it lies in the image, or the image in the box."""
    room = image - length
    return min(max(round(start), min(room, 0)), max(room, 0))


def _largest(size: Size, height: int, width: int) -> Size:
    """The largest of the output's shape that fits in an image of height x width, within a pixel."""
    scale = min(height / size.height, width / size.width)
    return Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))


def _cut(pixels: Pixels, box: Box) -> Pixels:
    """The box's pixels; black where it extends beyond the image."""
    above, left = max(-box.top, 0), max(-box.left, 0)
    inner = pixels[max(box.top, 0) : box.top + box.height, max(box.left, 0) : box.left + box.width]
    if inner.shape[:2] == (box.height, box.width):
        return inner
    # Padded and not shrunk: shrinking would change the box's shape and so distort the face.
    cut = np.zeros((box.height, box.width, 3), np.uint8)
    cut[above : above + inner.shape[0], left : left + inner.shape[1]] = inner
    return cut


def _center_crop(pixels: Pixels, crop: Size) -> Pixels:
    height, width = pixels.shape[:2]
    grow_y, grow_x = max(crop.height - height, 0), max(crop.width - width, 0)
    if grow_y or grow_x:
        above, left = grow_y // 2, grow_x // 2
        pixels = np.pad(pixels, ((above, grow_y - above), (left, grow_x - left), (0, 0)))
        height, width = pixels.shape[:2]
    # round, not //: torchvision's centre crop rounds half to even, and old caches hold such pixels.
    top, left = round((height - crop.height) / 2), round((width - crop.width) / 2)
    return pixels[top : top + crop.height, left : left + crop.width]
