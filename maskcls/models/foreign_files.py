"""Names the format of a file that should be safetensors and is not, by its first bytes.

Nothing is unpacked or unpickled. A safetensors file begins with the length of its JSON header (eight
bytes, little-endian), then "{".
"""

from pathlib import Path

_LEN = 8
_CONVERT = "load it where you trust it and write it with safetensors.torch.save_file"
_AGAIN = "get the file itself"
# First bytes, format, advice. Texts are distinguished in _text.
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to", "git lfs pull"),
    (b"PK\x03\x04", "a zip archive, as torch.save (.pth, .pt, .bin) writes it", _CONVERT),
    (b"\x80", "a pickle, as torch.save (.pth, .pt, .bin) once wrote it", _CONVERT),
    (b"\x89HDF", "an HDF5 file, as Keras writes it", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"GGUF", "a GGUF file", "take the safetensors file of the same weights"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ", "an xz archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"\x89PNG", "a PNG image", _AGAIN),
    (b"\xff\xd8\xff", "a JPEG image", _AGAIN),
    (b"%PDF", "a PDF document", _AGAIN),
)


def what_it_is(path: Path) -> str | None:
    """What the file is, and what to do: "a gzip archive; unpack it"; None for what may be safetensors.

    OSError when it cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        return f"an empty file; {_AGAIN}"
    with path.open("rb") as file:
        head = file.read(512)  # enough for tar, whose magic number is at byte 257
    # Before the magic numbers: the length of a valid header may begin with the byte of a pickle.
    if _has_header(head):
        needed = _LEN + int.from_bytes(head[:_LEN], "little")
        if needed <= size:
            return None
        return f"cut short (a header of {needed:,} bytes in a file of {size:,}); {_AGAIN} again"
    for magic, what, advice in _MAGIC:
        if head.startswith(magic):
            return f"{what}; {advice}"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it"
    return _text(head) or "a binary file of another kind; take the safetensors one"


def _has_header(head: bytes) -> bool:
    # No magic number above has a "{" there and a length below a terabyte.
    return head[_LEN : _LEN + 1] == b"{" and int.from_bytes(head[:_LEN], "little") < 2**40


def _text(head: bytes) -> str | None:
    """What a text file is; None for a binary one."""
    try:
        # The last character may be cut in two.
        text = head.decode("utf-8-sig", errors="ignore" if len(head) == 512 else "strict")
    except UnicodeDecodeError:
        return None
    # A binary file may be valid UTF-8 by chance; control characters reveal it.
    if any(not c.isprintable() and c not in "\t\r\n\f" for c in text):
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<!--")):
        return f"an HTML page, as a server sends instead of a file; {_AGAIN}"
    if start.startswith("<"):
        return f"an XML text, as a store sends instead of a file; {_AGAIN}"
    if start.startswith(("{", "[")):
        return f"a JSON text, such as an index of several files or a server's answer; {_AGAIN}"
    return f"a text that begins with {text.strip()[:40]!r}; {_AGAIN}"
