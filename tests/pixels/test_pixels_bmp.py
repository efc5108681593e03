"""BMP: uncompressed pixels of every depth, whole to the byte."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from maskcls.pixels.decode import DecodeError, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)


def saved(mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, "BMP")
    return buffer.getvalue()


def bmp(
    bits: int, rows: bytes, *, palette: bytes = b"", height: int = 1, width: int = 2,
    compression: int = 0, masks: tuple[int, ...] = (), size: int = 40,
) -> bytes:  # fmt: skip
    """A BMP by hand; masks: of red, green, blue and alpha, in a header of 40 bytes after it."""
    info = struct.pack("<lLHHLLLLLL", width, height % 2**32, 1, bits, compression, 0, 0, 0, 0, 0)
    head = struct.pack("<L", size) + info + struct.pack(f"<{len(masks)}L", *masks)
    head = head.ljust(size, b"\0") + palette
    start = 14 + len(head)
    return b"BM" + struct.pack("<LLL", start + len(rows), 0, start) + head + rows


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_pixels_come_back_as_they_went(mode: str) -> None:
    expected = np.asarray(Image.fromarray(PIXELS).convert(mode).convert("RGB"))
    assert np.array_equal(decode(saved(mode)), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_every_cut_is_noticed(mode: str) -> None:
    data = saved(mode)
    for length in range(18, len(data)):
        with pytest.raises(DecodeError, match="the BMP file is cut short"):
            decode(data[:length])


COLOURS = b"\x01\x02\x03\0" + b"\x0a\x14\x1e\0" + b"\xff\x80\0\0" + bytes(13 * 4)
ARGB = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bmp(1, b"\x40\0\0\0", palette=COLOURS[:8]), [[3, 2, 1], [30, 20, 10]]),
        (bmp(4, b"\x12\0\0\0", palette=COLOURS), [[30, 20, 10], [0, 128, 255]]),
        (bmp(24, b"\1\2\3\4\5\6\0\0"), [[3, 2, 1], [6, 5, 4]]),
        (bmp(32, b"\1\2\3\0\4\5\6\0"), [[3, 2, 1], [6, 5, 4]]),
        (bmp(32, b"\1\2\3\0\4\5\6\0", compression=3, masks=ARGB[:3]), [[3, 2, 1], [6, 5, 4]]),
        (
            bmp(32, b"\1\2\3\xff\4\5\6\0", compression=3, masks=ARGB, size=108),
            [[3, 2, 1], [255, 255, 255]],
        ),
        (
            bmp(32, b"\1\2\3\0\4\5\6\0", compression=3, masks=ARGB, size=108),
            [[3, 2, 1], [6, 5, 4]],  # a channel of zeros is no transparency
        ),
        (bmp(16, b"\x1f\0\0\x7c"), [[0, 0, 255], [255, 0, 0]]),
    ],
)
def test_every_depth_is_read(data: bytes, expected: list[list[int]]) -> None:
    assert decode(data)[0].tolist() == expected


def test_rows_may_be_stored_from_the_top() -> None:
    rows = b"\1\1\1\1\1\1\0\0" + b"\2\2\2\2\2\2\0\0"
    assert decode(bmp(24, rows, height=-2))[:, 0, 0].tolist() == [1, 2]
    assert decode(bmp(24, rows, height=2))[:, 0, 0].tolist() == [2, 1]


def test_padding_after_the_pixels_is_no_fault() -> None:
    assert np.array_equal(decode(saved("RGB") + b"\0\0"), PIXELS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bmp(8, bytes(8), compression=1), "compressed by run lengths, which is not read; save it"),
        (bmp(24, bytes(8), compression=4), "compressed by JPEG"),
        (bmp(24, bytes(8), compression=99), "compressed by method 99"),
        (bmp(7, bytes(8)), "its header is invalid"),
        (bmp(24, bytes(8), width=0), "its header is invalid"),
        (bmp(24, bytes(8), width=-2), "its header is invalid"),
        (bmp(24, bytes(8), height=0), "its header is invalid"),
        (bmp(24, bytes(8), height=2), "the BMP file is cut short"),
        (bmp(32, bytes(8), compression=3, masks=(1, 2, 4)), "damaged, or of a kind not read"),
        (bmp(24, bytes(8), width=60000, height=60000), "the BMP file is cut short"),
    ],
)
def test_what_is_broken_or_compressed_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(data)
