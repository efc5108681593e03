"""WebP files: one still image, rebuilt from only the parts from which pixels are decoded.

A WebP file is a list of chunks in a RIFF envelope, which says how long the file is: a file that is cut
short, or longer than that, is told exactly. The pixels have no checksum; damage within them is noticed
only where the bit stream becomes impossible.
"""

from collections.abc import Iterator

from maskcls.pixels.image_files import DecodeError, StillImage
from maskcls.pixels.orientation import orientation

_ALPHA, _ANIMATION = 0x10, 0x02
"""Flags of the extended header, chunk VP8X."""


def is_webp(data: bytes) -> bool:
    """Whether a file begins like WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_webp(data: bytes) -> StillImage:
    """The image of a WebP file, without metadata.

    Raises DecodeError for a file that is cut short, longer than it says, damaged, or an animation.
    """
    found: dict[bytes, bytes] = {}
    for kind, body in _chunks(data):
        if kind in (b"ANIM", b"ANMF"):
            raise DecodeError(_ANIMATED)
        found.setdefault(kind, body)  # of several chunks of a kind, decoders use the first
    extended = found.get(b"VP8X", b"")
    if extended[:1] and extended[0] & _ANIMATION:
        raise DecodeError(_ANIMATED)
    kind = b"VP8 " if b"VP8 " in found else b"VP8L"
    if kind not in found:
        raise DecodeError("the WebP file is damaged: no pixels in it")
    pixels, alpha = found[kind], found.get(b"ALPH")
    width, height = _size(kind, pixels)
    if extended and _canvas(extended) != (width, height):
        raise DecodeError("the WebP file is damaged: its pixels are of another size than it says")
    chunks = _chunk(kind, pixels)
    if kind == b"VP8 " and alpha is not None:  # VP8L has the alpha channel within it
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        header = _chunk(b"VP8X", bytes([_ALPHA, 0, 0, 0]) + canvas)
        chunks = header + _chunk(b"ALPH", alpha) + chunks
    whole = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
    turned = orientation(found.get(b"EXIF"), found.get(b"XMP "))
    return StillImage("WEBP", width, height, turned, whole)


_ANIMATED = "an animated WebP; save the picture that the label describes as a still image"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each chunk; DecodeError unless the file is as long as it says."""
    stop = 8 + int.from_bytes(data[4:8], "little")
    # The envelope's length should be even; a padding byte at the end is left out by some writers.
    if len(data) < stop:
        raise DecodeError("the WebP file is cut short")
    if len(data) > stop + stop % 2:
        raise DecodeError(
            f"the WebP file is damaged: {len(data) - stop:,} bytes follow after its end"
        )
    at = 12
    while at < stop:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 > stop or end > stop:
            raise DecodeError("the WebP file is cut short")
        yield data[at : at + 4], data[at + 8 : end]
        at = end + end % 2


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height as the pixels' own header has them."""
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) >= 10:
        sides = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        width, height = sides
    elif kind == b"VP8L" and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = 0, 0
    if not width or not height:
        raise DecodeError("the WebP file is damaged: its header is invalid")
    return width, height


def _canvas(extended: bytes) -> tuple[int, int]:
    """Width and height of the extended header."""
    width, height = (int.from_bytes(extended[at : at + 3], "little") + 1 for at in (4, 7))
    return width, height
