"""The orientation of an image: the EXIF tag Orientation (or XMP's copy of it), no other tag.

Cameras and editors write invalid values into the other tags, so they are never parsed, and a tag that
cannot be read means an upright image, never a fault. Precedence is that of Pillow 13 for valid files.
"""

import re
import struct

UPRIGHT = 1
UNKNOWN = 0
"""The tag exists but holds no number; the image is not rotated."""
_TAG = 0x0112
_ENTRY_BYTES = 12
# TIFF's types by their number, as struct spells them; rationals are two numbers. BYTE, ASCII and
# UNDEFINED hold no number: browsers and Pillow accept none of them as an orientation.
_NUMBERS = {
    3: "H", 4: "L", 5: "LL", 6: "b", 8: "h", 9: "l", 10: "ll", 11: "f", 12: "d", 13: "L", 16: "Q"
}  # fmt: skip
_TEXTS = (1, 2, 7)
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """EXIF's Orientation: 1..8, other numbers as found; UPRIGHT if there is none.

    exif: a TIFF file, perhaps after the letters "Exif" and two NULs; xmp: XML, used when EXIF has no
    such tag.
    """
    found = _from_tiff(exif) if exif else None
    if found is None and xmp and (match := _XMP.search(xmp)):
        found = int(match[1])
    return UPRIGHT if found is None else found


def _from_tiff(data: bytes) -> int | None:
    """The tag's value in the first directory; None when there is no such tag, or no TIFF."""
    # Some writers put the segment's name into the data, even twice.
    data = re.sub(rb"\AExif\0\0(?:Exif\0\0)?", b"", data)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or data[2:4] not in (b"*\0", b"\0*"):
        return None
    try:
        (start,) = struct.unpack_from(f"{order}L", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
    except struct.error:
        return None
    found = None
    for at in range(start + 2, start + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
        # A count may claim more entries than the data holds; those before the end still count.
        if at + _ENTRY_BYTES > len(data):
            break
        tag, kind, number = struct.unpack_from(f"{order}HHL", data, at)
        if tag == _TAG and number:
            found = _value(data, order, kind, number, at + 8)  # of several tags, the last counts
    return found


def _value(data: bytes, order: str, kind: int, number: int, at: int) -> int | None:
    """The first value of an entry; None when it lies outside of the data, or its type is unknown."""
    if kind not in _NUMBERS:
        return UNKNOWN if kind in _TEXTS else None
    form = order + _NUMBERS[kind]
    size = struct.calcsize(form)
    try:
        if number * size > 4:  # then the entry holds not the value but its position
            (at,) = struct.unpack_from(f"{order}L", data, at)
        values = struct.unpack_from(form, data, at)
    except struct.error:
        return None
    value = values[0] / (values[1] or 1) if len(values) == 2 else values[0]
    return int(value) if value in range(256) else UNKNOWN
