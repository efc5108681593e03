"""EXIF's Orientation, in either byte order, and XMP's copy of it."""

import struct

import pytest

from maskcls.pixels.orientation import UNKNOWN, UPRIGHT, orientation

XMP = b'<rdf:Description tiff:Orientation="8"/>'


def tiff(order: str, tag: int, kind: int, value: bytes) -> bytes:
    """A TIFF file of one directory with one entry."""
    begin = b"II*\0" if order == "<" else b"MM\0*"
    head = struct.pack(f"{order}LH", 8, 1)
    return begin + head + struct.pack(f"{order}HHL", tag, kind, 1) + value.ljust(4, b"\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
def test_the_tag_is_read_in_either_byte_order(order: str, prefix: bytes) -> None:
    exif = prefix + tiff(order, 0x0112, 3, struct.pack(f"{order}H", 6))
    assert orientation(exif, None) == 6


def test_without_the_tag_the_image_is_upright() -> None:
    assert orientation(None, None) == UPRIGHT
    assert orientation(b"", b"") == UPRIGHT
    assert orientation(tiff("<", 0x0110, 3, b"\x06\0"), None) == UPRIGHT


def test_xmp_counts_only_where_exif_has_no_tag() -> None:
    assert orientation(None, XMP) == 8
    assert orientation(tiff("<", 0x0110, 3, b"\x06\0"), XMP) == 8
    assert orientation(tiff("<", 0x0112, 3, b"\x06\0"), XMP) == 6


def test_a_tag_that_holds_text_is_unknown() -> None:
    assert orientation(tiff("<", 0x0112, 2, b"6\0"), XMP) == UNKNOWN
