"""What changes no pixel loses no image: EXIF, XMP, profiles and texts, sound, odd or broken."""

import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.orientation import orientation

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
UPRIGHT = {
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS, -1),
    7: PIXELS[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(PIXELS),
}
Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and the value (or where it lies)."""
ODD_TAGS: dict[str, Entry] = {
    "XResolution as SRATIONAL": (0x011A, 10, 1, b"\xff\xff\xff\xff"),
    "XResolution as ASCII": (0x011A, 2, 4, b"abc\0"),
    "YCbCrPositioning as ASCII": (0x0213, 2, 2, b"1\0\0\0"),
    "Orientation's neighbour of no known type": (0x0113, 99, 1, b"\0\0\0\1"),
    "a value behind the end": (0x010F, 2, 9999, b"\x7f\x7f\x7f\x7f"),
    "a count of 4 billion": (0x010F, 2, 0xFFFFFFFF, b"\x00\x00\x00\x08"),
    "a rational of 0/0": (0x011B, 5, 1, b"\0\0\0\0"),
    "an EXIF directory that is the first again": (0x8769, 4, 1, b"\x08\x00\x00\x08"),
    "a GPS directory nowhere": (0x8825, 4, 1, b"\xee\xee\xee\xee"),
    "a maker's note of nothing": (0x927C, 7, 0, b"\0\0\0\0"),
}


def tiff(entries: Iterable[Entry], order: str = "<") -> bytes:
    """EXIF as bytes: a TIFF with these entries in its first directory."""
    entries = list(entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", 8)
    body = b"".join(struct.pack(f"{order}HHL", *e[:3]) + e[3] for e in entries)
    return head + struct.pack(f"{order}H", len(entries)) + body + b"\0\0\0\0"


def turned(value: int, order: str = "<") -> Entry:
    return (0x0112, 3, 1, struct.pack(f"{order}HH", value, 0))


def jpeg(*segments: bytes, mode: str = "RGB") -> bytes:
    """A JPEG with more segments (marker and body, in front of the others)."""
    out = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(out, "JPEG", quality=100, subsampling=0)
    data = out.getvalue()
    more = b"".join(s[:2] + struct.pack(">H", len(s)) + s[2:] for s in segments)
    return data[:2] + more + data[2:]


def exif_jpeg(exif: bytes, mode: str = "RGB") -> bytes:
    return jpeg(b"\xff\xe1Exif\0\0" + exif, mode=mode)


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(*chunks: bytes, before: bytes = b"IDAT") -> bytes:
    """A PNG with more chunks, before the first of the kind given."""
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "PNG")
    data = out.getvalue()
    at = data.index(before) - 4
    return data[:at] + b"".join(chunks) + data[at:]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", UPRIGHT)
def test_a_jpeg_is_turned_upright(value: int, order: str, mode: str) -> None:
    stored = decode(jpeg(mode=mode)).astype(int)
    found = decode(exif_jpeg(tiff([turned(value, order)], order), mode))
    wanted = {1: stored, 6: np.rot90(stored, -1), 8: np.rot90(stored), 3: stored[::-1, ::-1]}
    assert found.shape == UPRIGHT[value].shape
    if value in wanted:
        assert np.abs(found - wanted[value]).max() <= 2


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", UPRIGHT)
def test_a_png_is_turned_upright(value: int, order: str, before: bytes) -> None:
    exif = tiff([turned(value, order)], order)
    for data in (exif, b"Exif\0\0" + exif):
        found = decode(png(chunk(b"eXIf", data), before=before))
        assert np.array_equal(found, UPRIGHT[value])


@pytest.mark.parametrize("odd", ODD_TAGS)
@pytest.mark.parametrize("place", [0, 1])
def test_other_tags_of_exif_do_not_matter(odd: str, place: int) -> None:
    for order in "<>":
        entries = [turned(6, order)]
        entries.insert(place, ODD_TAGS[odd])
        exif = tiff(entries, order)
        assert decode(exif_jpeg(exif)).shape == (5, 6, 3)
        assert np.array_equal(decode(png(chunk(b"eXIf", exif))), UPRIGHT[6])


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II",
        b"not a TIFF at all, but long enough",
        b"II*\0\xff\xff\xff\xff",
        tiff([turned(6)])[:-8],
        tiff([turned(0)]),
        tiff([turned(9)]),
        tiff([turned(65535)]),
        tiff([(0x0112, 2, 2, b"6\0\0\0")]),
        tiff([(0x0112, 3, 0, b"\6\0\0\0")]),
        tiff([(0x0112, 3, 70000, b"\xff\xff\xff\x7f")]),
        tiff([(0x0112, 12, 1, b"\xff\xff\xff\x7f")]),
        tiff([(0x0112, 5, 1, b"\0\0\0\0")]),
    ],
)
def test_an_orientation_that_cannot_be_read_leaves_the_image_as_it_is(exif: bytes) -> None:
    assert decode(exif_jpeg(exif)).shape == PIXELS.shape
    assert np.array_equal(decode(png(chunk(b"eXIf", exif))), PIXELS)


@given(st.binary(max_size=60))
def test_any_bytes_for_exif_and_xmp_are_survived(data: bytes) -> None:
    for exif in (data, b"II*\0" + data, b"MM\0*\0\0\0\x08" + data):
        assert 0 <= orientation(exif, data) <= 255


XMP = b'<rdf:Description tiff:Orientation="6"/>'


def test_xmp_counts_where_exif_has_no_orientation() -> None:
    segment = b"\xff\xe1http://ns.adobe.com/xap/1.0/\0" + XMP
    assert decode(jpeg(segment)).shape == (5, 6, 3)
    upright = b"\xff\xe1Exif\0\0" + tiff([turned(1)])
    assert decode(jpeg(segment, upright)).shape == PIXELS.shape


@pytest.mark.parametrize(
    "found",
    [
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0XMP\0" + zlib.compress(XMP)),
        chunk(b"tEXt", b"XML:com.adobe.xmp\0" + XMP),
        chunk(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP)),
        chunk(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(b"\nexif\n      26\n" + tiff([turned(6)]).hex().encode()),
        ),
    ],
)
def test_a_pngs_texts_that_know_the_orientation_are_read(found: bytes) -> None:
    assert np.array_equal(decode(png(found)), UPRIGHT[6])


HUGE = zlib.compress(b"x" * 2_000_000)
ANCILLARY = {
    "2 MB of zTXt": chunk(b"zTXt", b"Comment\0\0" + HUGE),
    "2 MB of iTXt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + HUGE),
    "2 MB of XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + HUGE),
    "2 MB of raw EXIF": chunk(b"zTXt", b"Raw profile type exif\0\0" + HUGE),
    "66 texts of 1 MB": chunk(b"zTXt", b"C\0\0" + zlib.compress(b"x" * 2**20)) * 66,
    "a profile of 2 MB": chunk(b"iCCP", b"profile\0\0" + HUGE),
    "a profile of rubbish": chunk(b"iCCP", b"profile\0\0rubbish"),
    "a profile packed in an unknown way": chunk(b"iCCP", b"profile\0\7rubbish"),
    "an empty profile": chunk(b"iCCP", b""),
    "zTXt of rubbish": chunk(b"zTXt", b"Comment\0\0rubbish"),
    "zTXt without a method": chunk(b"zTXt", b"Comment"),
    "XMP of rubbish": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0rubbish"),
    "XMP cut short": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1"),
    "raw EXIF that is not hexadecimal": chunk(b"tEXt", b"Raw profile type exif\0\n\n\nxyz"),
    "eXIf that is no TIFF": chunk(b"eXIf", b"no TIFF"),
    "empty pHYs": chunk(b"pHYs", b""),
    "empty sRGB": chunk(b"sRGB", b""),
    "empty gAMA": chunk(b"gAMA", b""),
    "empty cHRM": chunk(b"cHRM", b""),
    "tRNS too short": chunk(b"tRNS", b"\0"),
    "an animation of no frames": chunk(b"acTL", bytes(8)),
    "an animation cut short": chunk(b"acTL", b""),
    "a frame that lies outside": chunk(b"acTL", struct.pack(">II", 2, 0))
    + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 99, 99, 9, 9, 0, 0, 9, 9)),
    "a private chunk": chunk(b"prVt", b"anything"),
}


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("kind", ANCILLARY)
def test_ancillary_chunks_may_hold_anything(kind: str, before: bytes) -> None:
    assert np.array_equal(decode(png(ANCILLARY[kind], before=before)), PIXELS)


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"tIME", b"prVt"]
)
def test_a_wrong_checksum_of_an_ancillary_chunk_costs_no_image(kind: bytes, before: bytes) -> None:
    damaged = chunk(kind, tiff([turned(6)]), crc=1)
    assert np.array_equal(decode(png(damaged, before=before)), PIXELS)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
def test_a_wrong_checksum_of_a_critical_chunk_is_the_reason(kind: bytes) -> None:
    data = png()
    start = data.index(kind) - 4
    at = start + 8 + int.from_bytes(data[start : start + 4])
    damaged = data[:at] + bytes(b ^ 1 for b in data[at : at + 4]) + data[at + 4 :]
    with pytest.raises(DecodeError, match=f"damaged: wrong checksum at byte {start}"):
        decode(damaged)


def test_a_palette_with_a_wrong_checksum_is_the_reason() -> None:
    out = io.BytesIO()
    Image.fromarray(PIXELS).quantize(8).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[data.index(b"PLTE") + 5] ^= 1
    with pytest.raises(DecodeError, match="damaged: wrong checksum"):
        decode(bytes(data))


@pytest.mark.parametrize("flipped", [b"iDAT", b"iEND", b"iHDR"])
def test_a_flipped_bit_makes_no_ancillary_chunk_of_a_critical_one(flipped: bytes) -> None:
    with pytest.raises(DecodeError, match="the PNG file is"):
        decode(png().replace(flipped.upper(), flipped, 1))


def test_a_damaged_text_that_swallows_pixels_is_noticed() -> None:
    # Its length is wrong, so it covers the first of two chunks of pixels.
    whole = png()
    at = whole.index(b"IDAT")
    packed = whole[at + 4 : at + 4 + int.from_bytes(whole[at - 4 : at])]
    first, second = chunk(b"IDAT", packed[:20]), chunk(b"IDAT", packed[20:])
    for pixels in (first + chunk(b"tEXt", second, crc=1), chunk(b"tEXt", first, crc=1) + second):
        with pytest.raises(DecodeError, match="some of its pixels are missing"):
            decode(whole[: at - 4] + pixels + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png()[:8] + png()[33:], "it does not begin with its header"),
        (png()[:33] + chunk(b"IEND", b""), "no pixels in it"),
        (png().replace(b"IHDR", b"CgBI"), "CgBI"),
    ],
)
def test_a_png_that_lacks_what_pixels_need_is_refused_with_the_reason(
    data: bytes, reason: str
) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(data)


SEGMENTS = {
    "two pictures, described wrongly": b"\xff\xe2MPF\0rubbish",
    "a profile in pieces that are not there": b"\xff\xe2ICC_PROFILE\0\5\1x",
    "a profile without a number": b"\xff\xe2ICC_PROFILE\0",
    "JFIF cut short": b"\xff\xe0JFIF\0",
    "Adobe cut short": b"\xff\xeeAdobe",
    "Photoshop's, cut short": b"\xff\xedPhotoshop 3.0\08BIM\4\4\0\0\0\0\xff\xff",
    "a comment of nothing": b"\xff\xfe",
    "FlashPix": b"\xff\xe2FPXR\0",
}


@pytest.mark.parametrize("kind", SEGMENTS)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpegs_other_segments_do_not_matter(kind: str, mode: str) -> None:
    exif = b"\xff\xe1Exif\0\0" + tiff([turned(6)])
    assert np.array_equal(decode(jpeg(SEGMENTS[kind], mode=mode)), decode(jpeg(mode=mode)))
    assert np.array_equal(decode(jpeg(SEGMENTS[kind], exif)), decode(jpeg(exif)))


def test_padding_before_a_marker_and_a_thumbnail_within_exif_are_no_headers() -> None:
    whole = jpeg()
    assert np.array_equal(decode(whole[:2] + b"\xff\xff" + whole[2:]), decode(whole))
    assert decode(exif_jpeg(tiff([turned(6)]) + whole)).shape == (5, 6, 3)
