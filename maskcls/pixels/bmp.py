"""BMP files: size, and whether all pixels are there; only uncompressed ones are read.

Uncompressed rows have a known length, so a file that is cut short is told exactly. What follows after
the pixels is ignored: writers pad the file, or put a colour profile there.
"""

import struct

from maskcls.pixels.image_files import DecodeError, StillImage
from maskcls.pixels.orientation import UPRIGHT

_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Sizes of the second header, by which its versions are told apart."""
_RAW, _MASKS = 0, 3
_COMPRESSIONS = {1: "run lengths", 2: "run lengths", 4: "JPEG", 5: "PNG"}
_BITS = (1, 4, 8, 16, 24, 32)


def is_bmp(data: bytes) -> bool:
    """Whether a file begins like a BMP: two letters are too little, so its second header counts."""
    return data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _HEADERS


def read_bmp(data: bytes) -> StillImage:
    """The header of a BMP file, after a check that all pixels are there.

    Raises DecodeError for a file that is cut short, damaged or compressed.
    """
    header = int.from_bytes(data[14:18], "little")
    if len(data) < 14 + header:
        raise DecodeError("the BMP file is cut short")
    (offset,) = struct.unpack_from("<L", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
        compression = _RAW
    else:
        width, height, _, bits, compression = struct.unpack_from("<llHHL", data, 18)
        height = abs(height)  # negative: the first row is the top one
    if compression not in (_RAW, _MASKS):
        how = _COMPRESSIONS.get(compression, f"method {compression}")
        raise DecodeError(
            f"a BMP file compressed by {how}, which is not read; save it uncompressed or as PNG"
        )
    if bits not in _BITS or width < 1 or height < 1 or offset < 14 + header:
        raise DecodeError("the BMP file is damaged: its header is invalid")
    row = (width * bits + 31) // 32 * 4
    if offset + row * height > len(data):
        raise DecodeError("the BMP file is cut short")
    return StillImage("BMP", width, height, UPRIGHT, data)
