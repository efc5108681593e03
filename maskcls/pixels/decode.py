"""Strict decoding: bytes to RGB pixels, or a reason as text. Independent of crops and caches.

JPEG, PNG, WebP, BMP and TIFF are read, by their content and not by their name; a decoder's warning (a
cut file, a bad Huffman code) is a fault here, because a half grey image would be trained on. What does
not affect pixels (metadata other than the orientation) is never a fault and never parsed.

Transparent pixels are laid over white: what lies under them is arbitrary (often black, often the cut
out surroundings), and white is what viewers and printed pages show there.
"""

import io
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, UnidentifiedImageError

from maskcls.config.values import Size
from maskcls.pixels.bmp import is_bmp, read_bmp
from maskcls.pixels.image_files import (
    JPEG,
    MAX_FILE_BYTES,
    PNG,
    ImageFile,
    StillImage,
    read_jpeg,
    read_png,
)
from maskcls.pixels.image_files import DecodeError as DecodeError
from maskcls.pixels.orientation import UPRIGHT
from maskcls.pixels.tiff import is_tiff, read_tiff
from maskcls.pixels.webp import is_webp, read_webp

MAX_PIXELS = 80_000_000
"""Largest image that is decoded [px]: a crafted PNG of a few KB can claim gigabytes. Below the limit
at which Pillow itself would warn."""
BACKGROUND = 255
"""What transparent pixels are laid over: white, in each channel."""

_SIDEWAYS = (5, 6, 7, 8)
"""Orientations whose height and width are stored the other way round."""
_BAND_PIXELS = 2**20
"""Pixels that are converted at once."""
_OTHERS = (
    (0, b"GIF8", "GIF"),
    (0, b"II+\0", "BigTIFF"),
    (0, b"MM\0+", "BigTIFF"),
    (128, b"DICM", "DICOM"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"version https://git-lfs", "Git LFS pointer, whose file was not fetched"),
)
"""Position, bytes, format: files that are often renamed to .jpg or .png."""
Pixels = npt.NDArray[np.uint8]


def decode(data: bytes) -> Pixels:
    """Decode an image file's bytes to uint8 [H, W, 3], upright as its EXIF orientation says.

    Grey, palette and CMYK become RGB, transparent pixels BACKGROUND, the 16 bits of a PNG become 8.
    Raises DecodeError with the reason when the bytes are not one complete, valid image of a format
    that is read.
    """
    try:
        file = _header(data)
        _check_size(file)  # before decoding, which would allocate what the header claims
        if isinstance(file, StillImage):
            return _from_still(file)
        if file.channels:
            return _from_jpeg(data, file)
        return _by_pillow(file.stripped(data), file, "PNG")
    except DecodeError:
        raise
    except UnidentifiedImageError as e:
        raise DecodeError("the file is damaged: its header is invalid") from e
    except Exception as e:  # decoders raise many types; the reason goes into the list of faults
        raise DecodeError(" ".join(str(e).split()) or type(e).__name__) from e


def upright_size(data: bytes) -> Size:
    """Size of an image as `decode` would return it, from its header alone; raises DecodeError."""
    try:
        file = _header(data)
    except (IndexError, ValueError, struct.error) as e:
        raise DecodeError("the file is damaged: its header is invalid") from e
    sides = (file.height, file.width)
    return Size(*(sides[::-1] if file.orientation in _SIDEWAYS else sides))


def _header(data: bytes) -> ImageFile | StillImage:
    if not data:
        raise DecodeError("the file is empty")
    if len(data) > MAX_FILE_BYTES:
        raise DecodeError(
            f"more than {MAX_FILE_BYTES / 2**30:g} GiB, which is not read; replace the image by a"
            " smaller copy"
        )
    for is_one, read in _READERS:
        if is_one(data):
            return read(data)
    kind = next((name for at, begin, name in _OTHERS if data.startswith(begin, at)), None)
    raise DecodeError("not a JPEG, PNG, WebP, BMP or TIFF file" + (f" but {kind}" if kind else ""))


def _check_size(file: ImageFile | StillImage) -> None:
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


def _from_still(file: StillImage) -> Pixels:
    try:
        return _by_pillow(file.data, file, file.kind)
    except Exception as e:  # its reason alone ("decoder error -2") would name nothing
        reason = " ".join(str(e).split()) or type(e).__name__
        name = "WebP" if file.kind == "WEBP" else file.kind
        raise DecodeError(f"the {name} file is damaged, or of a kind not read ({reason})") from e


def _by_pillow(data: bytes, file: ImageFile | StillImage, kind: str) -> Pixels:
    # data is without metadata: Pillow would fail on some, and print warnings about others that do not
    # name the image.
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        if isinstance(file, StillImage) and image.size != (file.width, file.height):
            raise DecodeError("its sizes contradict each other")  # else the cap was for another one
        image.load()
        clear = _clear_value(file, data)
        # Many writers of BMP leave the fourth channel 0 and mean an opaque image.
        is_opaque = kind == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox()
        pixels = np.empty((image.height, image.width, 3), np.uint8)
        # Band by band: Pillow's conversions of the whole, each a copy, took four times the memory.
        rows = max(1, _BAND_PIXELS // image.width)
        for top in range(0, image.height, rows):
            stop = min(top + rows, image.height)
            band = image.crop((0, top, image.width, stop))
            pixels[top:stop] = _rgb(band.convert("RGB") if is_opaque else band, clear)
    return _upright(pixels, file.orientation)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels as seen upright, a view; numbers that are no orientation leave them as they are."""
    if orientation in _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _rgb(image: Image.Image, clear: tuple[int, ...]) -> Pixels:
    """An image of any mode as RGB, transparent pixels as BACKGROUND; clear: see _clear_value."""
    if image.has_transparency_data:
        if image.mode == "La":  # grey with alpha multiplied in, which Pillow converts in steps only
            image = image.convert("LA")
        image = image.convert("RGBA")
        below = Image.new("RGB", image.size, (BACKGROUND,) * 3)
        below.paste(image, mask=image.getchannel("A"))  # leaves opaque pixels exactly as they are
        return np.asarray(below)
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to white
        values_HWC = np.asarray(image)[:, :, None]
        pixels = np.repeat((values_HWC >> 8).astype(np.uint8), 3, axis=2)
    else:
        values_HWC = np.asarray(image.convert("RGB"))
        pixels = np.array(values_HWC)
    if clear:
        pixels[(values_HWC == clear).all(axis=2)] = BACKGROUND
    return pixels


def _clear_value(file: ImageFile | StillImage, data: bytes) -> tuple[int, ...]:
    """Which grey value or colour of a PNG means transparent, as Pillow scales pixels; () for none."""
    if isinstance(file, StillImage) or not file.clear:
        return ()
    bits, is_grey = data[24], len(file.clear) == 1
    if bits == 16:  # of colours, Pillow keeps the upper eight bits alone
        return file.clear if is_grey else tuple(value >> 8 for value in file.clear)
    return tuple(value * 255 // (2**bits - 1) for value in file.clear)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], ImageFile | StillImage]], ...] = (
    (lambda data: data.startswith(PNG), read_png),
    (lambda data: data.startswith(JPEG), read_jpeg),
    (is_webp, read_webp),
    (is_bmp, read_bmp),
    (is_tiff, read_tiff),
)
