"""Images are decoded whole or refused with a reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from maskcls.pixels import decode as decoding
from maskcls.pixels.decode import DecodeError, decode

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


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html></html>", "neither a JPEG nor a PNG file"),
        (b"\0" * 500, "neither a JPEG nor a PNG file"),
        (encoded(Image.fromarray(PIXELS), "GIF"), "neither a JPEG nor a PNG file but GIF"),
        (encoded(Image.fromarray(PIXELS), "BMP"), "neither a JPEG nor a PNG file but BMP"),
        (encoded(Image.fromarray(PIXELS), "WEBP"), "neither a JPEG nor a PNG file but WebP"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "neither a JPEG nor a PNG file but HEIC"),
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
    for data in (jpeg("L"), png("L")):
        pixels = decode(data)
        assert (pixels == pixels[:, :, :1]).all()


def test_sixteen_bits_become_eight() -> None:
    grey = PIXELS[:, :, 0]
    data = encoded(Image.fromarray(grey.astype(np.uint16) * 256 + 255), "PNG")
    assert np.array_equal(decode(data), np.repeat(grey[:, :, None], 3, axis=2))


def test_transparent_palette_is_read_without_a_warning() -> None:
    image = Image.fromarray(PIXELS).convert("P")
    clear = encoded(image, "PNG", transparency=bytes(range(256)))
    assert np.array_equal(decode(clear), decode(encoded(image, "PNG")))


def test_orientation_is_applied() -> None:
    upright = decode(jpeg())
    difference = np.abs(decode(turned_jpeg()).astype(int) - np.rot90(upright, -1))
    assert difference.mean() < 2


def test_too_many_pixels_are_refused_before_they_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 24 * 17 - 1)
    for data in (png(), jpeg(), turned_jpeg()):
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
    head = struct.pack(">4sIIBBBBB", b"IHDR", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    with pytest.raises(DecodeError):
        decode(png()[:8] + chunk + png()[33:])
