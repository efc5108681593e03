"""Strict decoding: bytes to RGB pixels, or a reason as text. Independent of crops and caches.

Only JPEG and PNG are read, by their content and not by their name; a decoder's warning (a cut file,
a bad Huffman code) is a fault here, because a half grey image would be trained on. What does not
affect pixels (metadata other than the orientation) is never a fault and never parsed.
"""

import io

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, UnidentifiedImageError

from maskcls.pixels.image_files import JPEG, PNG, ImageFile, read_jpeg, read_png
from maskcls.pixels.image_files import DecodeError as DecodeError
from maskcls.pixels.orientation import UPRIGHT

MAX_PIXELS = 80_000_000
"""Largest image that is decoded [px]: a crafted PNG of a few KB can claim gigabytes. Below the limit
at which Pillow itself would warn."""

_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its orientation; Pillow's angles are anticlockwise."""
_OTHERS = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF or raw"),
    (0, b"MM\0*", "TIFF or raw"),
    (8, b"WEBP", "WebP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"version https://git-lfs", "Git LFS pointer, whose file was not fetched"),
)
"""Position, bytes, format: files that are often renamed to .jpg or .png."""
Pixels = npt.NDArray[np.uint8]


def decode(data: bytes) -> Pixels:
    """Decode a JPEG or PNG file's bytes to uint8 [H, W, 3], upright as its EXIF orientation says.

    Transparent PNGs lose their alpha channel, grey ones become RGB, 16 bits become 8.
    Raises DecodeError with the reason when the bytes are not a complete, valid JPEG or PNG.
    """
    if not data:
        raise DecodeError("the file is empty")
    try:
        if data.startswith(PNG):
            file = read_png(data)
            _check_size(file)  # before decoding, which would allocate what the header claims
            return _by_pillow(file.stripped(data), file, "PNG")
        if data.startswith(JPEG):
            file = read_jpeg(data)
            _check_size(file)
            return _from_jpeg(data, file)
    except DecodeError:
        raise
    except UnidentifiedImageError as e:
        raise DecodeError("the file is damaged: its header is invalid") from e
    except Exception as e:  # decoders raise many types; the reason goes into the list of faults
        raise DecodeError(" ".join(str(e).split()) or type(e).__name__) from e
    kind = next((name for at, begin, name in _OTHERS if data.startswith(begin, at)), None)
    raise DecodeError("neither a JPEG nor a PNG file" + (f" but {kind}" if kind else ""))


def _check_size(file: ImageFile) -> None:
    pixels = file.width * file.height
    if pixels > MAX_PIXELS:
        raise DecodeError(
            f"{file.width}x{file.height} are {pixels / 1e6:.1f} million pixels, more than the"
            f" {MAX_PIXELS / 1e6:g} million that are decoded; replace the image by a smaller copy"
        )


def _from_jpeg(data: bytes, file: ImageFile) -> Pixels:
    # Even libjpeg reads some metadata: a damaged colour profile would be a warning, so a fault.
    data = file.stripped(data)
    if file.channels in (1, 3) and file.orientation == UPRIGHT:
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
        return pixels
    # Pillow rotates, and reads CMYK, which simplejpeg cannot convert to RGB. Pillow does not
    # report libjpeg's warnings, so simplejpeg decodes first, in strict mode.
    simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    return _by_pillow(data, file, "JPEG")


def _by_pillow(data: bytes, file: ImageFile, kind: str) -> Pixels:
    # data is without metadata: Pillow would fail on some, and print warnings about others that do not
    # name the image.
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        turn = _UPRIGHT_BY.get(file.orientation)
        upright = image if turn is None else image.transpose(turn)
        if upright.mode.startswith("I"):  # 16 bits, which Pillow would clip to white
            grey = (np.asarray(upright) >> 8).astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        return np.asarray(upright.convert("RGB"))
