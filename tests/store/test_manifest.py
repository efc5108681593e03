"""Damage to a published folder is noticed, whatever it is."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskcls.store.folder import Folder
from maskcls.store.manifest import MANIFEST, read_whole, why_invalid, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a published folder `best` of two files, one of them deeper."""
    folder = Folder.at(tmp_path)
    staged = folder.staging("best")
    (staged / "weights").write_bytes(bytes(range(100)))
    (staged / "deep").mkdir()
    (staged / "deep" / "가").write_bytes(b"12345")
    write_manifest(staged, {"epoch": 3})
    folder.publish(staged, "best")
    return folder


def test_intact_folder_gives_its_manifest(folder: Folder) -> None:
    manifest = read_whole(folder, "best")
    assert list(manifest) == ["format", "files", "epoch"]
    assert manifest["format"] == 1
    assert folder.read_json(f"best/{MANIFEST}")["epoch"] == 3
    assert manifest["files"]["deep/가"] == {
        "bytes": 5,
        "sha256": "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
    }
    assert list(manifest["files"]) == ["deep/가", "weights"]
    assert why_invalid(folder, "best") is None


@pytest.mark.parametrize("file", ["weights", "deep/가", MANIFEST])
def test_any_cut_is_noticed(folder: Folder, file: str) -> None:
    path = folder.local_path / "best" / file
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert why_invalid(folder, "best"), length
    path.write_bytes(whole)
    assert why_invalid(folder, "best") is None


# The fixture's folder is put back as it was after each example.
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(0, 99), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(folder: Folder, place: int, bit: int) -> None:
    path = folder.local_path / "best" / "weights"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[place] ^= 1 << bit
    path.write_bytes(damaged)
    assert why_invalid(folder, "best") == "weights has another checksum than when it was written"
    path.write_bytes(whole)


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["format", "files", "bytes", "sha256", "a"]), inner)
        ),
        max_leaves=8,
    )
)
def test_manifest_that_is_any_other_json_never_raises(folder: Folder, value: object) -> None:
    (folder.local_path / "best" / MANIFEST).write_text(json.dumps(value) + "\n")
    assert why_invalid(folder, "best") or read_whole(folder, "best")["files"] == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\n", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"format": 2, "files": {}}\n', "format 2, written by a newer maskcls"),
        (b'{"format": 1, "files": {"../../a": {"bytes": 1, "sha256": ""}}}\n', "is missing"),
        (b'{"format": 1, "files": {"a": 3}}\n', "lists no files"),
    ],
)
def test_damaged_manifest_is_described(folder: Folder, content: bytes, reason: str) -> None:
    (folder.local_path / "best" / MANIFEST).write_bytes(content)
    assert reason in (why_invalid(folder, "best") or "")


def test_missing_files_are_named(folder: Folder) -> None:
    assert why_invalid(folder, "other") == "manifest.json is missing"
    folder.delete("best/deep")
    assert why_invalid(folder, "best") == "deep/가 is missing"
    folder.delete("best/manifest.json")
    (folder.local_path / "best" / MANIFEST).mkdir()
    assert "manifest.json cannot be read" in (why_invalid(folder, "best") or "")


def test_reserved_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="files"):
        write_manifest(tmp_path, {"files": 1})


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENOMEM])
def test_a_file_system_that_is_away_says_nothing_of_the_files(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def away(self: Folder, name: str) -> Iterator[bytes]:
        raise OSError(number, "away")

    monkeypatch.setattr(Folder, "read_chunks", away)
    with pytest.raises(OSError, match="away"):
        why_invalid(folder, "best")


def test_a_bad_sector_is_damage(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(self: Folder, name: str) -> Iterator[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Folder, "read_chunks", bad)
    assert "Input/output error" in (why_invalid(folder, "best") or "")
