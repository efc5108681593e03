"""Images are decoded whole or refused with a reason."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskcls.config.values import Size
from maskcls.pixels import decode as decoding
from maskcls.pixels.decode import DecodeError, decode, upright_size

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 17, 3), dtype=np.uint8)
SMOOTH = np.asarray(Image.fromarray(PIXELS[:4, :3]).resize((17, 24), Image.Resampling.BICUBIC))
ROTATE_90 = 6  # EXIF: turn clockwise to see it upright


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    image = Image.fromarray(SMOOTH).convert(mode)
    return encoded(image, "JPEG", quality=95, **options)


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = ROTATE_90
    return jpeg(exif=exif)


def png(mode: str = "RGB") -> bytes:
    return encoded(Image.fromarray(PIXELS).convert(mode), "PNG")


SOUND = {
    "jpeg": jpeg(),
    "grey jpeg": jpeg("L"),
    "cmyk jpeg": jpeg("CMYK"),
    "turned jpeg": turned_jpeg(),
    "two-picture jpeg": encoded(
        Image.fromarray(SMOOTH), "MPO", save_all=True, append_images=[Image.fromarray(SMOOTH)]
    ),
    "png": png(),
    "grey png": png("L"),
    "rgba png": png("RGBA"),
    "palette png": png("P"),
    "two-colour png": png("1"),
    "grey and alpha png": png("LA"),
    **{
        f"{mode} {kind}": encoded(Image.fromarray(PIXELS).convert(mode), kind)
        for kind, modes in {
            "BMP": ("RGB", "L", "P", "1"),
            "TIFF": ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK"),
            "WEBP": ("RGB", "RGBA", "L"),
        }.items()
        for mode in modes
    },
}


@pytest.mark.parametrize("kind", SOUND)
def test_every_kind_becomes_rgb(kind: str) -> None:
    pixels = decode(SOUND[kind])
    size = (17, 24) if kind == "turned jpeg" else (24, 17)
    assert (pixels.shape, pixels.dtype) == ((*size, 3), np.uint8)


@pytest.mark.parametrize("kind", [k for k in SOUND if k != "two-picture jpeg"])
def test_every_cut_is_noticed(kind: str) -> None:
    data = SOUND[kind]
    cuts = {*range(0, len(data), 7), *range(len(data) - 40, len(data))}
    accepted = []
    for length in sorted(cuts):
        try:
            decode(data[:length])
        except DecodeError:
            continue
        accepted.append(length)
    assert accepted == []


def test_a_cut_in_the_first_of_two_pictures_is_noticed() -> None:
    data = SOUND["two-picture jpeg"]
    first = data.index(b"\xff\xd9\xff\xd8")
    for length in range(first - 50, first, 5):
        with pytest.raises(DecodeError):
            decode(data[:length])


def test_every_flipped_bit_of_a_png_is_noticed() -> None:
    data = png()
    for place in range(8, len(data), 3):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(DecodeError):
            decode(bytes(damaged))


NO_IMAGE = "not a JPEG, PNG, WebP, BMP or TIFF file"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html></html>", NO_IMAGE),
        (b"\0" * 500, NO_IMAGE),
        (b"BMW", NO_IMAGE),
        (b"RIFF\x04\0\0\0WAVE", NO_IMAGE),
        (encoded(Image.fromarray(PIXELS), "GIF"), f"{NO_IMAGE} but GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(40), f"{NO_IMAGE} but HEIC"),
        (b"II+\0" + bytes(40), f"{NO_IMAGE} but BigTIFF"),
        (bytes(128) + b"DICM", f"{NO_IMAGE} but DICOM"),
        (png()[:-12], "the PNG file is cut short"),
        (jpeg()[:12], "the JPEG file is cut short"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode(data)
    assert str(raised.value) == reason


def test_png_comes_back_as_it_went() -> None:
    assert np.array_equal(decode(png()), PIXELS)
    assert np.array_equal(decode(png("RGBA")), PIXELS)


@pytest.mark.parametrize("kind", ["jpeg", "cmyk jpeg"])
def test_jpeg_comes_back_nearly_as_it_went(kind: str) -> None:
    difference = np.abs(decode(SOUND[kind]).astype(int) - SMOOTH)
    assert difference.mean() < 4


def test_grey_has_three_equal_channels() -> None:
    grey = Image.fromarray(PIXELS).convert("L")
    for data in (jpeg("L"), png("L"), *(encoded(grey, kind) for kind in ("BMP", "TIFF"))):
        pixels = decode(data)
        assert (pixels == pixels[:, :, :1]).all()


def test_sixteen_bits_become_eight() -> None:
    grey = PIXELS[:, :, 0]
    data = encoded(Image.fromarray(grey.astype(np.uint16) * 256 + 255), "PNG")
    assert np.array_equal(decode(data), np.repeat(grey[:, :, None], 3, axis=2))


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The definition, in floating point: a share alpha / 255 of the pixel, the rest white."""
    share = np.asarray(alpha)[..., None] / 255
    return pixels * share + 255 * (1 - share)


ALPHA = np.random.default_rng(1).integers(0, 256, PIXELS.shape[:2], dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_laid_over_white(mode: str, kind: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode[:-1])
    below = np.asarray(image.convert("RGB"))
    image.putalpha(Image.fromarray(ALPHA))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    found = decode(encoded(image, kind, **options))
    assert np.abs(found - over_white(below, ALPHA)).max() <= 0.5


def test_what_is_hidden_under_full_transparency_does_not_show() -> None:
    image = Image.fromarray(PIXELS)
    image.putalpha(0)
    assert (decode(encoded(image, "PNG")) == 255).all()


def test_a_palette_with_alpha_is_laid_over_white() -> None:
    image = Image.fromarray(PIXELS).convert("P")
    alphas = np.arange(255, -1, -1, dtype=np.uint8)
    found = decode(encoded(image, "PNG", transparency=alphas.tobytes()))
    opaque = decode(encoded(image, "PNG"))
    assert np.abs(found - over_white(opaque, alphas[np.asarray(image)])).max() <= 0.5


def test_one_palette_entry_may_be_transparent() -> None:
    image = Image.fromarray(PIXELS).convert("P")
    clear = int(np.asarray(image)[3, 4])
    found, opaque = decode(encoded(image, "PNG", transparency=clear)), decode(encoded(image, "PNG"))
    is_clear = np.asarray(image) == clear
    assert (found[is_clear] == 255).all()
    assert np.array_equal(found[~is_clear], opaque[~is_clear])


def bare_png(bits: int, colours: int, row: bytes, clear: bytes, width: int) -> bytes:
    """A PNG of one row, with the chunk tRNS."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, 1, bits, colours, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return png()[:8] + chunk(b"IHDR", head) + chunk(b"tRNS", clear) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("bits", "colours", "row", "clear", "expected"),
    [
        (8, 0, b"\5\6\7", b"\0\6", [5, 255, 7]),
        (8, 0, b"\5\6\7", b"\0", [5, 6, 7]),
        (1, 0, b"\x40", b"\0\0", [255, 255, 255]),
        (2, 0, b"\x18", b"\0\1", [0, 255, 170]),
        (4, 0, b"\x12\x30", b"\0\2", [17, 255, 51]),
        (16, 0, b"\5\1\5\2\5\3", b"\5\2", [5, 255, 5]),
        (8, 2, b"\5\5\5\6\5\5\7\7\7", b"\0\6\0\5\0\5", [5, 255, 7]),
        (16, 2, b"\5\1" * 3 + b"\6\2" * 3 + b"\7\3" * 3, b"\6\2" * 3, [5, 255, 7]),
    ],
)
def test_a_png_may_name_one_value_as_transparent(
    bits: int, colours: int, row: bytes, clear: bytes, expected: list[int]
) -> None:
    found = decode(bare_png(bits, colours, row, clear, width=3))
    assert found[0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_large_images_are_converted_in_bands_without_seams(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(Image.fromarray(PIXELS), kind, lossless=True)
    monkeypatch.setattr(decoding, "_BAND_PIXELS", 17 * 5)
    assert np.array_equal(decode(data), PIXELS)


@pytest.mark.parametrize("wrong", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_an_image_is_decoded_by_its_content(wrong: str, tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", wrong, quality=95)
    pixels = decode((tmp_path / "a.png").read_bytes())
    assert np.abs(pixels.astype(int) - SMOOTH).mean() < 5


def test_orientation_is_applied() -> None:
    upright = decode(jpeg())
    difference = np.abs(decode(turned_jpeg()).astype(int) - np.rot90(upright, -1))
    assert difference.mean() < 2


def test_too_many_pixels_are_refused_before_they_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 24 * 17 - 1)
    others = [encoded(Image.fromarray(PIXELS), kind) for kind in ("WEBP", "BMP", "TIFF")]
    for data in (png(), jpeg(), turned_jpeg(), *others):
        with pytest.raises(DecodeError, match=r"17x24 are 0\.0 million pixels, more than the") as e:
            decode(data)
        assert "smaller copy" in str(e.value)


def test_the_size_of_a_108_megapixel_phone_is_refused_with_the_limit_and_a_way_out() -> None:
    data = jpeg()
    at = data.index(b"\xff\xc0") + 5
    big = data[:at] + struct.pack(">HH", 9000, 12000) + data[at + 4 :]
    reason = r"12000x9000 are 108\.0 million pixels, more than the 80 million that are decoded;"
    with pytest.raises(DecodeError, match=reason + " replace the image by a smaller copy"):
        decode(big)


def test_a_small_file_that_claims_gigabytes_is_refused() -> None:
    head = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    with pytest.raises(DecodeError, match=r"60000x60000 are 3600\.0 million pixels, more than"):
        decode(png()[:8] + chunk + png()[33:])


@pytest.mark.parametrize("kind", SOUND)
def test_the_upright_size_is_that_of_the_pixels(kind: str) -> None:
    assert upright_size(SOUND[kind]) == Size(*decode(SOUND[kind]).shape[:2])


@pytest.mark.parametrize("kind", SOUND)
def test_a_file_without_a_whole_header_has_no_size(kind: str) -> None:
    for length in range(24):
        with pytest.raises(DecodeError):
            upright_size(SOUND[kind][:length])
