"""Fingerprints of content: what was trained on what, told by 128 bits of BLAKE2b."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

DIGEST_BYTES = 16


def digest_of_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE2b of data, 16 bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def combine(parts: Iterable[bytes | str]) -> str:
    """One fingerprint of many parts, 32 hex digits.

    parts: digests or strings; a string counts as its UTF-8 bytes. Their order matters, and each
    goes in behind its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        # File names that are not UTF-8 reach us as lone surrogates; they must have a digest too.
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "little"))
        whole.update(raw)
    return whole.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
