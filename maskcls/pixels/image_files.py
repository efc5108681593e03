"""Parses JPEG and PNG files: size, orientation, and the parts from which pixels are decoded.

Decoders parse much more than pixels need (EXIF, XMP, colour profiles, text, several images in one
file), and fail on any fault there. So they get only the parts from which pixels are decoded.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from maskcls.pixels.orientation import orientation

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
"""What such a file begins with."""
MAX_FILE_BYTES = 2**30
"""Largest file that is decoded; the largest images of 8 or 16 bits fit in, uncompressed."""
_MAX_TEXT = 2**20
"""Maximum size of a decompressed text of a PNG [bytes]; also Pillow's limit."""


class DecodeError(Exception):
    """The image cannot be decoded; the message is the reason in a few words."""


@dataclass(frozen=True)
class ImageFile:
    """An image file's header. width, height: as stored, before it is turned upright [px].

    channels: of a JPEG (1 grey, 3 colour, 4 CMYK); 0 for a PNG. orientation: see `orientation`.
    parts: (start, stop) of the bytes from which pixels are decoded. clear: of a grey or colour PNG, the
    value of each channel that means transparent, at the file's number of bits; () without one.
    """

    width: int
    height: int
    channels: int
    orientation: int
    parts: tuple[tuple[int, int], ...]
    clear: tuple[int, ...] = ()

    def stripped(self, data: bytes) -> bytes:
        """The file without all other parts; data: the file."""
        return b"".join(data[start:stop] for start, stop in self.parts)


@dataclass(frozen=True)
class StillImage:
    """An image of another format. kind: its name in Pillow; width, height, orientation: see ImageFile.

    data: a file of it that has only what pixels are decoded from.
    """

    kind: str
    width: int
    height: int
    orientation: int
    data: bytes


def read_jpeg(data: bytes) -> ImageFile:
    """The header of a JPEG file, up to its first scan.

    Whether the rest is complete is left to the decoder. Raises DecodeError when there is no scan.
    """
    exif, xmp, size = b"", None, (0, 0, 0)
    parts, kept_from = [], 0
    for marker, start, stop in _segments(data):
        body = data[start + 4 : stop]
        if marker == 0xDA:
            # The scans to the end of the file: only the decoder can tell where they end.
            parts.append((kept_from, len(data)))
            return ImageFile(*size, orientation(exif, xmp), tuple(parts))
        # Start of frame; C4, C8 and CC in that range are tables and extensions.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
            size = int.from_bytes(body[3:5]), int.from_bytes(body[1:3]), body[5]
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif += body[6:]  # EXIF above 64 KiB is split into several segments
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = body.partition(b"\0")[2]
        # APP0 and APP14 define the colour space; libjpeg reads that many bytes of them.
        says_channels = len(body) >= {0xE0: 14, 0xEE: 12}.get(marker, 2**16)
        if (0xE0 <= marker <= 0xEF and not says_channels) or marker == 0xFE:
            parts.append((kept_from, start))
            kept_from = stop
    raise DecodeError("the JPEG file is cut short")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, stop) of each segment, up to the first scan's or where they end."""
    at = 2
    # Bytes that are no marker stay in the file, so that strict decoding reports them as corrupt.
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 3:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD9:  # these have no length
            at += 2
        else:
            stop = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if stop < at + 4 or stop > len(data):
                return
            yield marker, at, stop
            at = stop


def read_png(data: bytes) -> ImageFile:
    """The header of a PNG file, after a check of all its chunks up to the last.

    A wrong checksum is a fault in chunks of pixels only; ancillary chunks may hold anything. Raises
    DecodeError when the file is cut short or damaged.
    """
    texts: dict[bytes, bytes] = {}
    parts, exif, palette, is_doubtful, pixels = [(0, 8)], b"", False, False, 0
    clear: tuple[int, ...] = ()
    for kind, start, stop in _chunks(data):
        body = data[start + 8 : stop - 4]
        is_sound = zlib.crc32(data[start + 4 : stop - 4]) == int.from_bytes(data[stop - 4 : stop])
        if not is_sound:
            if not _is_ancillary(kind):
                raise DecodeError(f"the PNG file is damaged: wrong checksum at byte {start}")
            is_doubtful = True
        elif kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            parts.append((start, stop))
            palette |= kind == b"PLTE"
            pixels += len(body) if kind == b"IDAT" else 0
        elif kind == b"tRNS" and not pixels:  # one that is odd counts as none, like other chunks
            if data[25] == 3 and palette and 0 < len(body) <= 256:
                parts.append((start, stop))
            elif len(body) == {0: 2, 2: 6}.get(data[25]):
                clear = tuple(int.from_bytes(body[at : at + 2]) for at in range(0, len(body), 2))
        elif kind == b"eXIf":
            exif = body
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            texts |= _text(kind, body)
    if data[12:16] != b"IHDR" or data[8:12] != b"\0\0\0\r":
        raise DecodeError("the PNG file is damaged: it does not begin with its header")
    if not pixels or (data[25] == 3 and not palette):
        raise DecodeError(f"the PNG file is damaged: no {'palette' if pixels else 'pixels'} in it")
    turned = orientation(exif or _raw_profile(texts), texts.get(_XMP_KEY))
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    found = ImageFile(width, height, 0, turned, tuple(parts), clear)
    # The damage may have hit a chunk's length, so that it swallowed some of the pixels.
    if is_doubtful and not _is_whole(data, found):
        raise DecodeError("the PNG file is damaged: some of its pixels are missing")
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, stop) of each chunk up to IEND; DecodeError when the file ends before it."""
    start, kind = 8, b""
    while kind != b"IEND":
        stop = start + 12 + int.from_bytes(data[start : start + 4])
        kind = data[start + 4 : start + 8]
        if stop > len(data):
            raise DecodeError("the PNG file is cut short")
        if kind == b"CgBI":
            raise DecodeError("an iPhone app's own kind of PNG (CgBI); save it as an ordinary one")
        yield kind, start, stop
        start = stop


def _is_ancillary(kind: bytes) -> bool:
    """Whether pixels do not need the chunk: a small first letter, and no flipped bit made it small."""
    is_name = re.fullmatch(rb"[a-z][A-Za-z][A-Z][A-Za-z]", kind) is not None
    return is_name and kind.upper() not in (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def _is_whole(data: bytes, file: ImageFile) -> bool:
    """Whether the pixels' zlib stream is valid to its end."""
    # In pieces and up to a limit: a small file can inflate to terabytes. The limit is above
    # what any pixel format needs, interlaced or not.
    packed = [data[a + 8 : b - 4] for a, b in file.parts if data[a + 4 : a + 8] == b"IDAT"]
    rest, left = b"".join(packed), min(16 * (file.width + 1) * (file.height + 7), 2**30)
    inflate = zlib.decompressobj()
    try:
        while rest and left > 0 and not inflate.eof:
            left -= len(inflate.decompress(rest, 2**20))
            rest = inflate.unconsumed_tail
    except zlib.error:
        return False
    return inflate.eof


_XMP_KEY, _RAW_KEY = b"XML:com.adobe.xmp", b"Raw profile type exif"


def _text(kind: bytes, body: bytes) -> dict[bytes, bytes]:
    """A text chunk's text by its key, if it is one that may hold the orientation."""
    key, _, text = body.partition(b"\0")
    if key not in (_XMP_KEY, _RAW_KEY):
        return {}
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = text[:1] != b"\0"
        text = text[1:2] + text[2:].split(b"\0", 2)[-1]
    if not packed:
        return {key: text}
    inflate = zlib.decompressobj()
    try:
        # The first byte is the compression method; there is only one.
        text = inflate.decompress(text[1:], _MAX_TEXT)
    except zlib.error:
        return {}
    return {key: text} if inflate.eof else {}


def _raw_profile(texts: dict[bytes, bytes]) -> bytes:
    """EXIF as ImageMagick writes it into PNG files: hexadecimal, after three lines of heading."""
    try:
        lines = texts.get(_RAW_KEY, b"").decode("ascii").split("\n")
        return bytes.fromhex("".join(lines[3:]))
    except ValueError:
        return b""
