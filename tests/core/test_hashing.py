"""Fingerprints: stable, and different where the parts differ."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from maskcls.core.hashing import combine, digest_of_bytes, digest_of_chunks

parts = st.lists(st.binary(max_size=4) | st.text(max_size=3), max_size=4)


def as_bytes(part: bytes | str) -> bytes:
    return part if isinstance(part, bytes) else part.encode("utf-8")


def test_digest_is_blake2b_of_16_bytes() -> None:
    # As `b2sum -l 128` says of an empty file.
    assert digest_of_bytes(b"").hex() == "cae66941d9efbd404e4d88758ea67670"
    assert digest_of_bytes(bytearray(b"ab")) == digest_of_bytes(b"ab")


@given(st.lists(st.binary(max_size=9), max_size=4))
def test_chunks_have_the_digest_of_their_bytes(chunks: list[bytes]) -> None:
    assert digest_of_chunks(iter(chunks)) == digest_of_bytes(b"".join(chunks))


@given(parts, parts)
def test_equal_only_for_equal_parts(one: list[bytes | str], other: list[bytes | str]) -> None:
    same = list(map(as_bytes, one)) == list(map(as_bytes, other))
    assert (combine(one) == combine(other)) is same


def test_order_and_borders_of_parts_count() -> None:
    spellings = [["ab", "c"], ["a", "bc"], ["c", "ab"], ["abc"], ["abc", ""], []]
    assert len({combine(spelling) for spelling in spellings}) == len(spellings)


def test_combine_by_hand() -> None:
    raw = b"\x01" + bytes(7) + b"a" + b"\x02" + bytes(7) + b"bc"
    assert combine(["a", b"bc"]) == hashlib.blake2b(raw, digest_size=16).hexdigest()
    assert len(combine([])) == 32


def test_file_name_that_is_not_utf8_has_a_digest() -> None:
    assert combine(["\udcb0"]) != combine(["\udcb1"])
