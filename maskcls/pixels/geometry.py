"""Crop, then resize: the one way from a photo's pixels to the network's, always."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskcls.config.sizes import Crop, Size

VERSION = 1
"""Raised when the same settings would give other pixels, so that no old cache is read as new."""


@dataclass(frozen=True)
class Geometry:
    """Crop and size; part of every checkpoint and of every cache's key."""

    crop: Crop
    size: Size

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read back to_json; ValueError when made by a later version of the geometry."""
        if values.get("version") != VERSION:
            raise ValueError(f"geometry version {values.get('version')}, this is {VERSION}")
        return cls(Crop.parse(values["crop"]), Size.parse(values["size"]))

    def to_json(self) -> dict[str, Any]:
        """Plain values that from_json reads and that a cache's key contains."""
        return {
            "crop": str(self.crop),
            "size": str(self.size),
            "filter": "bicubic",
            "version": VERSION,
        }

    @property
    def bytes_per_photo(self) -> int:
        """Bytes of one photo's uint8 pixels."""
        return self.size.height * self.size.width * 3

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Crop and resize one photo; uint8 [H, W, 3] to uint8 [size.height, size.width, 3].

        The centre crop is torchvision's: offsets round((H - h) / 2); a photo smaller than the crop
        is padded with black to it. Resizing is Pillow's bicubic filter, antialiased when shrinking.
        """
        if self.crop.center is not None:
            pixels = _center_crop(pixels, self.crop.center)
        if pixels.shape[:2] == (self.size.height, self.size.width):
            return np.ascontiguousarray(pixels)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        wanted = (self.size.width, self.size.height)
        return np.asarray(image.resize(wanted, Image.Resampling.BICUBIC))


def _center_crop(pixels: npt.NDArray[np.uint8], crop: Size) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    grow_y, grow_x = max(crop.height - height, 0), max(crop.width - width, 0)
    if grow_y or grow_x:
        above, left = grow_y // 2, grow_x // 2
        pixels = np.pad(pixels, ((above, grow_y - above), (left, grow_x - left), (0, 0)))
        height, width = pixels.shape[:2]
    top, left = round((height - crop.height) / 2), round((width - crop.width) / 2)
    return pixels[top : top + crop.height, left : left + crop.width]
