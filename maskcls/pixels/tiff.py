"""TIFF files: one page of 8 bits per channel, rebuilt with only the tags from which pixels are decoded.

TIFF is a family of formats. Only what is decoded without a guess is read; the rest is refused by name:
several pages, 16 bits and floating point (which value is white is nowhere written down), other colours
than grey, palette, RGB and CMYK, JPEG and fax within TIFF (whose decoders report no damage). The
position and length of every strip or tile are in the file, so one that is cut short is told exactly.
"""

import struct
from collections.abc import Mapping

from maskcls.pixels.image_files import DecodeError, StillImage
from maskcls.pixels.orientation import orientation

_ENTRY_BYTES = 12
_INTEGERS = {1: "B", 3: "H", 4: "L"}
"""TIFF's types of whole numbers, as struct spells them."""

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS = 254, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _STRIP_BYTES, _XMP, _PALETTE = 273, 277, 279, 700, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_INKS, _EXTRA, _FORMAT = 332, 338, 339
_BIT_ORDER, _STRIP_ROWS, _PLANES, _PREDICTOR = 266, 278, 284, 317
_SINGLE = frozenset(
    {_WIDTH, _HEIGHT, _COMPRESSION, _COLOURS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _INKS}
    | {_BIT_ORDER, _STRIP_ROWS, _PLANES, _PREDICTOR}
)
_KEPT = _SINGLE | {_BITS, _STRIPS, _STRIP_BYTES, _PALETTE, _TILES, _TILE_BYTES, _EXTRA, _FORMAT}
"""Tags that pixels are decoded from; a decoder would fail on odd values of others. _SINGLE: those of one
number each."""
_LOSSLESS = (1, 5, 8, 32773, 32946)
"""Compressions that are read: none, LZW, Deflate, PackBits."""
_COMPRESSIONS = {
    2: "fax", 3: "fax", 4: "fax", 6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 50000: "Zstandard",
    50001: "WebP",
}  # fmt: skip
_GREYS, _RGB, _PALETTED, _CMYK = (0, 1), 2, 3, 5
_LARGE_TILE = 2**24
"""Largest tile [px] of an image that is smaller than it."""
_MAX_VALUES = 2**20
"""Most numbers of one tag that are read."""
_SAVE = "save it as an ordinary TIFF of 8 bits per channel, or as PNG"

Tags = Mapping[int, tuple[int, ...]]


def is_tiff(data: bytes) -> bool:
    """Whether a file begins like a TIFF, which camera makers' raw formats do, too."""
    return data[:4] in (b"II*\0", b"MM\0*")


def read_tiff(data: bytes) -> StillImage:
    """The only page of a TIFF file, without metadata.

    Raises DecodeError for a file that is cut short or damaged, or of a kind that is not read.
    """
    order = "<" if data[:2] == b"II" else ">"
    entries, tags, following = _directory(data, order)
    if tags.get(_SUBFILE, (0,))[0] & 1:
        raise DecodeError(f"a TIFF file that begins with a preview, as raw formats do; {_SAVE}")
    if following:
        raise DecodeError(
            "a TIFF file of several pages; save each page as a file of its own, with its own label"
        )
    if not {_WIDTH, _HEIGHT, _COLOURS} <= tags.keys():
        raise DecodeError("the TIFF file is damaged: its header is incomplete")
    _check_kind(tags)
    _check_pixels(tags, data)
    # A second directory at the end, of the same entries but fewer: their values stay where they are.
    kept = [entry for tag, entry in entries if tag in _KEPT]
    start = len(data) + len(data) % 2
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + b"\0\0\0\0"
    head = data[:4] + struct.pack(f"{order}L", start)
    whole = b"".join((head, memoryview(data)[8:], b"\0" * (len(data) % 2), directory))
    turned = orientation(data, bytes(tags.get(_XMP, ())))
    return StillImage("TIFF", tags[_WIDTH][0], tags[_HEIGHT][0], turned, whole)


def _directory(data: bytes, order: str) -> tuple[list[tuple[int, bytes]], Tags, int]:
    """The first directory: its entries by tag, the values of whole numbers, where the next one is."""
    try:
        (start,) = struct.unpack_from(f"{order}L", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        stop = start + 2 + count * _ENTRY_BYTES
        (following,) = struct.unpack_from(f"{order}L", data, stop)
    except struct.error as e:
        raise DecodeError("the TIFF file is cut short") from e
    entries, tags = [], {}
    for at in range(start + 2, stop, _ENTRY_BYTES):
        tag, kind, number = struct.unpack_from(f"{order}HHL", data, at)
        entries.append((tag, data[at : at + _ENTRY_BYTES]))
        # Values of other tags are never looked at: they may lie anywhere.
        if tag in _KEPT or tag in (_SUBFILE, _XMP):
            values = _values(data, order, kind, number, at + 8)
            is_sound = values is not None and (len(values) == 1 or tag not in _SINGLE)
            # Of two entries of one tag, decoders may use the other.
            if values is not None and is_sound and tag not in tags:
                tags[tag] = values
            elif tag in _KEPT:
                raise DecodeError("the TIFF file is cut short or damaged: its header is invalid")
    return entries, tags, following


def _values(data: bytes, order: str, kind: int, number: int, at: int) -> tuple[int, ...] | None:
    """An entry's whole numbers; None where they are of another type, or lie outside of the file."""
    if kind not in _INTEGERS or not 0 < number <= _MAX_VALUES:
        return None
    size = number * struct.calcsize(order + _INTEGERS[kind])
    if size > 4:
        (at,) = struct.unpack_from(f"{order}L", data, at)
    if at + size > len(data):
        return None
    return struct.unpack_from(f"{order}{number}{_INTEGERS[kind]}", data, at)


def _check_kind(tags: Tags) -> None:
    """DecodeError unless bits, compression and colours are among those that are read."""
    bits, (colours, *_) = tags.get(_BITS, (1,)), tags[_COLOURS]
    extra, formats = tags.get(_EXTRA, ()), tags.get(_FORMAT, (1,))
    compression = tags.get(_COMPRESSION, (1,))[0]
    if compression not in _LOSSLESS:
        how = _COMPRESSIONS.get(compression, f"method {compression}")
        raise DecodeError(
            f"a TIFF file compressed by {how}, which is not read; save it with LZW or as PNG"
        )
    if any(kind not in (1, 4) for kind in formats):  # 4: not stated
        raise DecodeError(f"a TIFF file of signed or floating-point numbers; {_SAVE}")
    num_colours = {_RGB: 3, _CMYK: 4}.get(colours, 1 if colours in (*_GREYS, _PALETTED) else 0)
    if not num_colours or (colours == _CMYK and tags.get(_INKS, (1,))[0] != 1):
        raise DecodeError(
            f"a TIFF file of other colours than grey, palette, RGB or CMYK (kind {colours}); {_SAVE}"
        )
    if not {tags.get(_PLANES, (1,))[0], tags.get(_PREDICTOR, (1,))[0]} <= {1, 2}:
        raise DecodeError("the TIFF file is damaged: its header is invalid")
    few = (1, 2, 4, 8) if num_colours == 1 and not extra else (8,)
    if len(set(bits)) > 1 or bits[0] not in few:
        text = ", ".join(map(str, dict.fromkeys(bits)))
        raise DecodeError(
            f"a TIFF file of {text} bits per channel; scale its values to 8 bits and save it again"
        )
    samples = tags.get(_SAMPLES, (1,))[0]
    # Old writers of RGB with alpha leave out what says that the fourth channel is one.
    wanted = (3, 4) if colours == _RGB and not extra else (num_colours + len(extra),)
    if samples not in wanted or len(bits) not in (1, samples):
        raise DecodeError("the TIFF file is damaged: its number of channels is contradictory")
    if colours == _PALETTED and len(tags.get(_PALETTE, ())) != 3 << bits[0]:
        raise DecodeError("the TIFF file is damaged: no whole palette in it")


def _check_pixels(tags: Tags, data: bytes) -> None:
    """DecodeError unless there is every strip or tile, within the file, and none is of absurd size."""
    is_tiled = _TILES in tags
    starts = tags.get(_TILES if is_tiled else _STRIPS, ())
    lengths = tags.get(_TILE_BYTES if is_tiled else _STRIP_BYTES, ())
    if (is_tiled and _STRIPS in tags) or not (len(starts) == len(lengths) == _num_parts(tags)):
        raise DecodeError("the TIFF file is damaged: some of its pixels are missing")
    if any(a + b > len(data) for a, b in zip(starts, lengths, strict=True)):
        raise DecodeError("the TIFF file is cut short")
    num_bits = tags[_WIDTH][0] * tags.get(_SAMPLES, (1,))[0] * tags.get(_BITS, (1,))[0]
    wanted = tags[_HEIGHT][0] * -(-num_bits // 8)
    if not all(lengths) or (tags.get(_COMPRESSION, (1,))[0] == 1 and sum(lengths) < wanted):
        raise DecodeError("the TIFF file is damaged: some of its pixels are missing")


def _num_parts(tags: Tags) -> int:
    """Number of strips or tiles that the pixels need, from 1; 0 for impossible sizes."""
    width, height = tags[_WIDTH][0], tags[_HEIGHT][0]
    wide, tall = width, min(tags.get(_STRIP_ROWS, (height,))[0], height)
    if _TILES in tags:
        wide, tall = tags.get(_TILE_WIDTH, (0,))[0], tags.get(_TILE_HEIGHT, (0,))[0]
        # A decoder allocates whole tiles, whatever the size of the image.
        if wide * tall > max(2 * width * height, _LARGE_TILE):
            return 0
    if not wide * tall:
        return 0
    num_planes = tags.get(_SAMPLES, (1,))[0] if tags.get(_PLANES, (1,))[0] == 2 else 1
    return -(-width // wide) * -(-height // tall) * num_planes
