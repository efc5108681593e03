"""WebP: one still image, whole to the byte; metadata matters only for the orientation."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.webp import read_webp

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
ALPHA = np.random.default_rng(1).integers(0, 256, (7, 5), dtype=np.uint8)


def webp(image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = image or Image.fromarray(PIXELS)
    image.save(buffer, "WEBP", **({"lossless": True, "exact": True} | options))
    return buffer.getvalue()


def translucent() -> Image.Image:
    image = Image.fromarray(PIXELS)
    image.putalpha(Image.fromarray(ALPHA))
    return image


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<L", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def exif(value: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = value
    return found.tobytes()


KINDS = {
    "lossless": webp(),
    "lossless with alpha": webp(translucent()),
    "lossy": webp(lossless=False),
    "lossy with alpha": webp(translucent(), lossless=False),
    "with metadata": webp(exif=exif(1), icc_profile=b"odd", xmp=b"<x/>"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_pillows(kind: str) -> None:
    with Image.open(io.BytesIO(KINDS[kind])) as image:
        found, expected = decode(KINDS[kind]), np.asarray(image.convert("RGBA")).astype(float)
    share = expected[:, :, 3:] / 255
    assert np.abs(found - (expected[:, :, :3] * share + 255 * (1 - share))).max() <= 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(kind: str) -> None:
    for length in range(12, len(KINDS[kind])):
        with pytest.raises(DecodeError, match="WebP file is cut short"):
            decode(KINDS[kind][:length])


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_after_the_end_are_refused(kind: str) -> None:
    with pytest.raises(DecodeError, match="damaged: 3 bytes follow after its end"):
        decode(KINDS[kind] + b"\0\0\0")


def test_a_cut_that_corrected_the_length_is_noticed() -> None:
    data = KINDS["lossy"]
    cut = data[: len(data) // 2 & ~1]
    with pytest.raises(DecodeError, match="WebP file is cut short"):
        decode(cut[:4] + struct.pack("<L", len(cut) - 8) + cut[8:])


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_it_is_turned_upright(value: int, prefix: bytes) -> None:
    tiff = exif(value).removeprefix(b"Exif\0\0")
    found = decode(webp(exif=prefix + tiff))
    upright = {
        1: PIXELS, 2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2), 6: np.rot90(PIXELS, -1),
        7: PIXELS[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(PIXELS),
    }  # fmt: skip
    assert np.array_equal(found, upright[value])


def test_xmp_counts_where_exif_has_no_orientation() -> None:
    assert decode(webp(xmp=b'<x tiff:Orientation="6"/>')).shape == (5, 7, 3)


@pytest.mark.parametrize("num", [1, 2])
def test_an_animation_is_refused(num: int) -> None:
    frames = [Image.fromarray(PIXELS + n) for n in range(num)]
    data = webp(frames[0], save_all=True, append_images=frames[1:])
    if num == 1:  # a still image after all
        assert np.array_equal(decode(data), PIXELS)
        return
    with pytest.raises(DecodeError, match="an animated WebP; save the picture that the label"):
        decode(data)


def still() -> bytes:
    """The chunk VP8L of the lossless image."""
    return webp()[12:]


def extended(flags: int = 0, width: int = 5, height: int = 7) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (riff(), "no pixels in it"),
        (riff(extended(), chunk(b"EXIF", b"")), "no pixels in it"),
        (riff(extended(flags=2), still()), "an animated WebP"),
        (riff(extended(), chunk(b"ANIM", bytes(6)), still()), "an animated WebP"),
        (riff(extended(width=9999, height=9999), still()), "of another size than it says"),
        (riff(chunk(b"VP8X", b"\0"), still()), "of another size than it says"),
        (riff(chunk(b"VP8L", b"")), "its header is invalid"),
        (riff(chunk(b"VP8 ", bytes(30))), "its header is invalid"),
        (riff(chunk(b"VP8L", b"\x2f" + bytes(20))), "damaged, or of a kind not read"),
    ],
)
def test_what_is_broken_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(data)


def test_unknown_chunks_and_wrong_flags_change_no_pixel() -> None:
    odd = riff(extended(flags=0x3C), chunk(b"odd!", b"x"), still(), chunk(b"EXIF", b"no TIFF"))
    assert np.array_equal(decode(odd), PIXELS)
    with pytest.raises(DecodeError, match="cut short"):
        decode(riff(still(), b"odd"))


def test_only_what_pixels_need_goes_to_the_decoder() -> None:
    assert read_webp(KINDS["with metadata"]).data == webp()
    assert b"EXIF" not in read_webp(webp(translucent(), lossless=False, exif=exif(6))).data


def test_a_small_file_that_claims_the_largest_size_is_refused() -> None:
    bits = (16383 - 1) | (16383 - 1) << 14
    data = riff(chunk(b"VP8L", b"\x2f" + struct.pack("<L", bits) + bytes(20)))
    with pytest.raises(DecodeError, match=r"16383x16383 are 268\.4 million pixels, more than"):
        decode(data)
