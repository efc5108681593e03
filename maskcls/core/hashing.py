"""Fingerprints of content: 128 bits of BLAKE2b, by which data and pixels are compared."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from maskcls.core.names import nfc

DIGEST_BYTES = 16


def digest_of_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE2b of data, 16 bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def digest_of_chunks(chunks: Iterable[bytes]) -> bytes:
    """digest_of_bytes of the chunks' bytes together, of which only one is held at a time."""
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for chunk in chunks:
        whole.update(chunk)
    return whole.digest()


def digest_of_name(name: str) -> int:
    """The first 8 bytes of SHA-256 of a name's NFC form in UTF-8, big-endian."""
    return int.from_bytes(hashlib.sha256(nfc(name).encode("utf-8", "surrogatepass")).digest()[:8])


def combine(parts: Iterable[bytes | str]) -> str:
    """One fingerprint of many parts, 32 hex digits.

    parts: digests or strings; a string counts as its UTF-8 bytes. Their order matters, and each is
    preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        # Python represents file names that are not UTF-8 with lone surrogates, which encode() refuses.
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "little"))
        whole.update(raw)
    return whole.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
