"""TIFF: one page of 8 bits; everything that would be a guess is refused by name."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskcls.pixels.decode import DecodeError, decode

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
LOSSLESS = [None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"]


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    return buffer.getvalue()


def rgb(**options: object) -> bytes:
    return saved(Image.fromarray(PIXELS), **options)


def tiff(changes: dict[int, Any], pixels: bytes = PIXELS.tobytes(), order: str = "<") -> bytes:
    """An uncompressed TIFF by hand; changes: of the tags of an RGB image; None leaves one out.

    A value is a number, several numbers, or (type, bytes).
    """
    height, width = PIXELS.shape[:2]
    tags = {256: width, 257: height, 258: (8, 8, 8), 259: 1, 262: 2, 273: 8, 277: 3, 278: height}
    tags |= {279: len(pixels)}
    entries, extra = [], b""
    start = 8 + len(pixels)
    for tag, value in sorted((tags | changes).items()):
        if value is None:
            continue
        values = value if isinstance(value, tuple) else (value,)
        kind, body = 4, b""
        if len(values) == 2 and isinstance(values[1], bytes):
            kind, body = values
            count = len(body) // {1: 1, 2: 1, 3: 2, 5: 8, 7: 1}[kind]
        else:
            body, count = struct.pack(f"{order}{len(values)}L", *values), len(values)
        if len(body) > 4:
            body, extra = struct.pack(f"{order}L", start + len(extra)), extra + body
        entries.append(struct.pack(f"{order}HHL", tag, kind, count) + body.ljust(4, b"\0"))
    at = start + len(extra)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}L", at)
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    return head + pixels + extra + directory


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK"])
def test_pixels_come_back_as_they_went(mode: str, compression: str | None) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(saved(image, compression=compression)), expected)


@pytest.mark.parametrize("compression", LOSSLESS)
def test_every_cut_is_noticed(compression: str | None) -> None:
    data = rgb(compression=compression)
    for length in range(8, len(data)):
        with pytest.raises(DecodeError, match="the TIFF file is"):
            decode(data[:length])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_it_is_turned_upright(value: int, order: str) -> None:
    upright = {
        1: PIXELS, 2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2), 6: np.rot90(PIXELS, -1),
        7: PIXELS[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(PIXELS),
    }  # fmt: skip
    tag = (3, struct.pack(f"{order}H", value))
    assert np.array_equal(decode(tiff({274: tag}, order=order)), upright[value])
    assert np.array_equal(decode(rgb(tiffinfo={274: value})), upright[value])


def test_xmp_counts_without_an_orientation() -> None:
    xmp = (1, b'<x tiff:Orientation="6"/>')
    assert decode(tiff({700: xmp})).shape == (5, 7, 3)
    assert decode(tiff({700: xmp, 274: (3, b"\1\0")})).shape == (7, 5, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiles_strips_and_planes_are_read(order: str) -> None:
    assert np.array_equal(decode(tiff({}, order=order)), PIXELS)
    rows = {278: 3, 273: (8, 8 + 45, 8 + 90), 279: (45, 45, 15)}
    assert np.array_equal(decode(tiff(rows, order=order)), PIXELS)
    planes = np.ascontiguousarray(PIXELS.transpose(2, 0, 1)).tobytes()
    apart = {284: 2, 273: (8, 8 + 35, 8 + 70), 279: (35, 35, 35)}
    assert np.array_equal(decode(tiff(apart, planes, order)), PIXELS)
    tile = np.zeros((16, 16, 3), np.uint8)
    tile[:7, :5] = PIXELS
    tiles = {273: None, 279: None, 278: None, 322: 16, 323: 16, 324: 8, 325: tile.size}
    assert np.array_equal(decode(tiff(tiles, tile.tobytes(), order)), PIXELS)


def test_white_may_be_zero_and_alpha_multiplied_in() -> None:
    grey = {258: 8, 277: 1}
    assert np.array_equal(decode(tiff(grey | {262: 0}))[:, :, 0].ravel(), 255 - PIXELS.ravel()[:35])
    grey = {258: (8, 8), 262: 1, 277: 2, 338: 1}
    assert decode(tiff(grey, bytes([64, 128]) * 35))[0, 0].tolist() == [191, 191, 191]
    half = bytes([100, 50, 0, 128]) * 35  # already times 128 / 255
    found = decode(tiff({258: (8,) * 4, 277: 4, 338: 1}, half))
    assert np.abs(found[0, 0] - np.array([227.0, 177, 127])).max() <= 1
    unknown = decode(tiff({258: (8,) * 4, 277: 4, 338: 0}, half))
    assert unknown[0, 0].tolist() == [100, 50, 0]  # a fourth channel that is no alpha
    unsaid = decode(tiff({258: (8,) * 4, 277: 4}, bytes([100, 50, 0, 0]) * 35))
    assert unsaid[0, 0].tolist() == [255, 255, 255]


ODD = {
    "resolution of 0/0": {282: (5, bytes(8))},
    "resolution as text": {282: (2, b"abc\0")},
    "a maker's note": {37500: (7, b"anything")},
    "an EXIF directory nowhere": {34665: 0xFFFFFF},
    "a profile of rubbish": {34675: (7, b"rubbish")},
    "a date of rubbish": {306: (2, b"\xff\xfe\0\0")},
    "Photoshop's": {34377: (1, b"8BIM")},
    "an orientation of 99": {274: (3, b"\x63\0")},
    "a private tag": {65000: 5},
}


@pytest.mark.parametrize("odd", ODD)
def test_other_tags_may_hold_anything(odd: str) -> None:
    assert np.array_equal(decode(tiff(ODD[odd])), PIXELS)


def test_other_values_may_lie_outside_of_the_file() -> None:
    data = tiff({305: (2, b"x" * 9)})
    at = data.index(struct.pack("<HHL", 305, 2, 9)) + 8
    assert np.array_equal(decode(data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]), PIXELS)


def several_pages() -> bytes:
    return rgb(save_all=True, append_images=[Image.fromarray(PIXELS)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (several_pages(), "of several pages; save each page as a file of its own"),
        (tiff({254: 1}), "begins with a preview, as raw formats do; save it as"),
        (
            saved(Image.fromarray(PIXELS[:, :, 0].astype(np.uint16))),
            "of 16 bits per channel; scale",
        ),
        (tiff({258: (16, 16, 16)}), "of 16 bits per channel; scale its values to 8 bits"),
        (tiff({258: (8, 8, 16)}), "of 8, 16 bits per channel"),
        (saved(Image.fromarray(PIXELS[:, :, 0].astype(np.float32))), "floating-point numbers"),
        (tiff({339: (2, 2, 2)}), "signed or floating-point numbers"),
        (rgb(compression="jpeg"), "compressed by JPEG, which is not read; save it with LZW"),
        (saved(Image.fromarray(PIXELS).convert("1"), compression="group4"), "compressed by fax"),
        (tiff({259: 34712}), "compressed by JPEG 2000"),
        (tiff({259: 77}), "compressed by method 77"),
        (saved(Image.fromarray(PIXELS).convert("YCbCr")), r"other colours than .* \(kind 6\)"),
        (saved(Image.fromarray(PIXELS).convert("LAB")), r"other colours than .* \(kind 8\)"),
        (tiff({262: 32803, 258: 8, 277: 1}), r"other colours than .* \(kind 32803\)"),
        (tiff({262: 5, 332: 2, 258: (8,) * 4, 277: 4}), r"other colours than .* \(kind 5\)"),
    ],
)
def test_what_would_be_a_guess_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(data)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({256: None}, "its header is incomplete"),
        ({262: None}, "its header is incomplete"),
        ({256: (5, 5)}, "its header is invalid"),
        ({256: (2, b"5\0")}, "its header is invalid"),
        ({256: 0}, "some of its pixels are missing"),
        ({278: 0}, "some of its pixels are missing"),
        ({278: 3}, "some of its pixels are missing"),
        ({273: None}, "some of its pixels are missing"),
        ({279: 100}, "some of its pixels are missing"),
        ({279: 0}, "some of its pixels are missing"),
        ({273: 4000}, "is cut short"),
        ({279: 4000}, "is cut short"),
        ({258: (8, 8)}, "its number of channels is contradictory"),
        ({277: 4}, "its number of channels is contradictory"),
        ({284: 3}, "its header is invalid"),
        ({317: 3}, "its header is invalid"),
        ({262: 3, 258: 8, 277: 1}, "no whole palette in it"),
        ({262: 3, 258: 8, 277: 1, 320: (1, 2, 3)}, "no whole palette in it"),
        ({322: 16, 323: 16, 324: 8, 325: 105}, "some of its pixels are missing"),
        (
            {273: None, 279: None, 322: 2**16, 323: 2**16, 324: 8, 325: 105},
            "some of its pixels are missing",
        ),
    ],
)
def test_a_broken_header_is_refused_with_the_reason(changes: dict[int, Any], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(tiff(changes))


@pytest.mark.parametrize("compression", [5, 8, 32773, 32946])
def test_a_small_file_that_claims_gigabytes_is_refused(compression: int) -> None:
    data = tiff({256: 60_000, 257: 60_000, 278: 60_000, 259: compression})
    with pytest.raises(DecodeError, match=r"60000x60000 are 3600\.0 million pixels, more than"):
        decode(data)


def test_a_second_size_cannot_pass_the_cap_on_pixels() -> None:
    data = tiff({255: 60_000})
    at = data.index(struct.pack("<HHL", 255, 4, 1))
    for tag in (256, 257):
        twice = data[:at] + struct.pack("<H", tag) + data[at + 2 :]
        with pytest.raises(DecodeError, match="its header is invalid"):
            decode(twice)


def test_damaged_deflate_is_noticed() -> None:
    data = bytearray(rgb(compression="tiff_adobe_deflate"))
    at = data.index(b"\x78", 8)
    data[at + 60] ^= 1
    with pytest.raises(DecodeError, match="the TIFF file is damaged"):
        decode(bytes(data))


def test_a_number_of_the_header_that_is_a_loop_ends() -> None:
    data = tiff({})
    assert data[-4:] == bytes(4)
    with pytest.raises(DecodeError, match="of several pages"):
        decode(data[:-4] + data[4:8])  # the next page is the first
