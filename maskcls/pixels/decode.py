"""Strict decoding: bytes to RGB pixels, or a reason in words. Knows nothing of crops and caches.

Only JPEG and PNG are read, by their content and not by their name; a decoder's warning (a cut file,
a bad Huffman code) is a fault here, because a half grey image would be learned as it is.
"""

import io
import zlib

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 80_000_000
"""Largest image that is decoded [px]: a crafted PNG of a few KB can claim gigabytes. Below the limit
at which Pillow itself would warn."""

_ORIENTATION = 0x0112  # the EXIF tag
Pixels = npt.NDArray[np.uint8]


class DecodeError(Exception):
    """The image cannot be decoded; the message is the reason in a few words."""


def decode(data: bytes) -> Pixels:
    """Decode a JPEG or PNG file's bytes to uint8 [H, W, 3], upright as its EXIF orientation says.

    Transparent PNGs lose their alpha channel, grey ones become RGB, 16 bits become 8.
    Raises DecodeError with the reason when the bytes are no whole, sound JPEG or PNG.
    """
    if not data:
        raise DecodeError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DecodeError(f"{image.width}x{image.height} pixels are too many")
            if image.format == "PNG":
                _check_png(data)
                return _rgb(image)
            # Else a JPEG; phones write several pictures into one, which Pillow calls MPO.
            turned = image.getexif().get(_ORIENTATION, 1) != 1
            if image.mode in ("RGB", "L") and not turned:
                pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
                return pixels
            # Pillow turns, and reads CMYK, for which simplejpeg has no RGB; its verdict counts.
            simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
            return _rgb(image)
    except DecodeError:
        raise
    except UnidentifiedImageError as e:
        raise DecodeError("neither a JPEG nor a PNG file") from e
    except Exception as e:  # decoders raise many kinds; the reason reaches the fault list
        raise DecodeError(" ".join(str(e).split()) or type(e).__name__) from e


def _rgb(image: Image.Image) -> Pixels:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits, which Pillow would clip to white
        grey = (np.asarray(upright) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "transparency" in upright.info:
        upright = upright.convert("RGBA")  # from a palette straight to RGB, Pillow warns
    return np.asarray(upright.convert("RGB"))


def _check_png(data: bytes) -> None:
    """DecodeError unless all chunks up to the last are whole; Pillow stops reading before that."""
    start, kind = 8, b""
    while kind != b"IEND":
        end = start + 12 + int.from_bytes(data[start : start + 4])
        kind = data[start + 4 : start + 8]
        if end > len(data):
            raise DecodeError("the PNG file is cut short")
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise DecodeError(f"the PNG file is damaged: wrong checksum at byte {start}")
        start = end
