"""Folder on the local disk, and what it says about URIs."""

import errno
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from maskcls.core.errors import StorageError, UserError
from maskcls.store import atomic
from maskcls.store.folder import Folder

NFC = unicodedata.normalize("NFC", "마스크-é")
NFD = unicodedata.normalize("NFD", NFC)


def test_importing_is_light() -> None:
    code = (
        "import sys, maskcls.store.folder as p; p.Folder.at('/tmp').exists();"
        "sys.exit(any(m in sys.modules for m in ('pandas', 'numpy', 'pyarrow', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("typed", "on_disk"), [(NFC, NFD), (NFD, NFC)])
def test_typed_name_opens_the_folder_composed_the_other_way(
    tmp_path: Path, typed: str, on_disk: str
) -> None:
    (tmp_path / on_disk / on_disk).mkdir(parents=True)
    (tmp_path / on_disk / on_disk / "a.txt").write_text("found")
    folder = Folder.at(tmp_path / typed / typed)
    assert folder.location == str(tmp_path / on_disk / on_disk)
    assert folder.read_text("a.txt") == "found"
    assert Folder.at(tmp_path).child(typed, typed) == folder
    assert Folder.at(tmp_path).read_text(f"{typed}/{typed}/a.txt") == "found"


def test_folder_as_typed_goes_before_the_one_composed_otherwise(tmp_path: Path) -> None:
    (tmp_path / NFC).mkdir()
    (tmp_path / NFD).mkdir()
    assert Folder.at(tmp_path / NFC).location == str(tmp_path / NFC)
    assert Folder.at(tmp_path / NFD).location == str(tmp_path / NFD)


def test_missing_folder_is_kept_as_typed(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / NFD / "new")
    assert folder.location == str(tmp_path / NFD / "new")
    assert not folder.exists()
    assert folder.list() == []


def test_home_links_and_file_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folder.at("~/a").location == str(tmp_path / "a")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Folder.at(tmp_path / "link").location == str(tmp_path / "link")
    assert Folder.at(f"file://{tmp_path}/a%20b").location == str(tmp_path / "a b")
    monkeypatch.chdir(tmp_path)
    assert Folder.at("runs/a").location == str(tmp_path / "runs/a")
    assert Folder.at("runs/a").shown == "runs/a"


@pytest.mark.parametrize(
    "location",
    ["foo://a/b", "http://a/b", "s3://", "s3:/bucket/a", Path("s3://bucket/a"), "", "file://h/a"],
)
def test_what_is_no_folder_is_refused(location: str | Path) -> None:
    with pytest.raises(UserError, match=r"give|slashes|mount"):
        Folder.at(location)


def test_a_name_that_is_not_utf_8_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^runs/\\udce9: this name is not UTF-8"):
        Folder.at("runs/\udce9")


def test_reading_what_was_written(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "new" / "run")
    folder.write_bytes("deep/er/a.bin", b"\x00\xff")
    folder.write_json("b.json", {"z": "가", "a": [1.5, None]})
    assert folder.read_bytes("deep/er/a.bin") == b"\x00\xff"
    assert folder.read_text("b.json") == ('{\n  "z": "가",\n  "a": [\n    1.5,\n    null\n  ]\n}\n')
    assert folder.read_json("b.json") == {"z": "가", "a": [1.5, None]}
    assert folder.is_dir("deep/er")
    assert folder.exists("b.json")
    assert not folder.is_dir("b.json")
    with pytest.raises(ValueError, match="Out of range"):
        folder.write_json("b.json", float("nan"))
    assert folder.read_json("b.json")["z"] == "가"


def test_files_are_readable_by_the_group(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        Folder.at(tmp_path).write_bytes("a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_delete(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write_bytes("keep/a", b"")
    folder.write_bytes("go/b", b"")
    (tmp_path / "link").symlink_to("keep")
    for name in ("go", "link", "missing", "keep/missing"):
        folder.delete(name)
    assert [entry.name for entry in folder.list(recursive=True)] == ["keep", "keep/a"]


@pytest.mark.parametrize("name", ["../a", "/etc", "a/../../b"])
def test_names_do_not_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="below"):
        Folder.at(tmp_path).write_bytes(name, b"")


def test_publish_replaces_and_leaves_nothing_staged(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "run")
    for content in ("old", "new"):
        staged = folder.staging("fold/0")
        (staged / "deep").mkdir()
        (staged / "deep" / content).write_text(content)
        (staged / "manifest.json").write_text(content)
        folder.publish(staged, "folds/0")
    assert folder.read_text("folds/0/manifest.json") == "new"
    names = [entry.name for entry in folder.list(recursive=True)]
    assert names == [
        "folds", "folds/0", "folds/0/deep", "folds/0/deep/new", "folds/0/manifest.json",
    ]  # fmt: skip


def test_publish_that_fails_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder.at(tmp_path)
    folder.write_bytes("best/a", b"old")
    staged = folder.staging("best")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == staged:
            raise OSError(errno.EIO, "broken")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="broken"):
        folder.publish(staged, "best")
    assert folder.read_bytes("best/a") == b"old"


def test_sweep_deletes_what_killed_commands_left(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    (folder.staging("a") / "half").write_text("")
    (tmp_path / ".tmp-0123").write_text("")
    folder.write_bytes("keep", b"")
    folder.sweep()
    assert [entry.name for entry in folder.list()] == ["keep"]


@pytest.mark.parametrize(
    ("code", "words", "is_transient"),
    [
        (
            errno.ENOSPC,
            r"disk is full \(\d+\.\d GiB free\); free some space and run the same",
            True,
        ),
        (errno.EDQUOT, "your quota is used up; free some space and run the same", True),
        (errno.EACCES, "no permission to write here", False),
        (errno.EROFS, "read-only; choose another", False),
        (errno.EFBIG, "may not be written; raise the limit", False),
    ],
)
def test_errors_of_the_disk_are_reported_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str, is_transient: bool
) -> None:
    def fail(descriptor: int, data: atomic.Data) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(atomic, "_write_all", fail)
    with pytest.raises(UserError, match=f"^runs/a: .*{words}") as raised:
        Folder.at("runs/a").write_bytes("x", b"1")
    assert isinstance(raised.value, StorageError) == is_transient


def test_publish_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder.at(tmp_path)
    staged = folder.staging("a")

    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(atomic, "fsync_folder", fail)
    with pytest.raises(StorageError, match="disk is full"):
        folder.publish(staged, "a")
    assert not folder.exists("a")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder.at(tmp_path).read_bytes("missing")


def test_damaged_text_is_reported_with_its_place(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write_bytes("a.json", b'{"a":\n 1,')
    with pytest.raises(UserError, match=r"a\.json line 2: not valid JSON"):
        folder.read_json("a.json")
    folder.write_bytes("a.csv", b"ab\xff")
    with pytest.raises(UserError, match=r"a\.csv: byte 2 is not UTF-8"):
        folder.read_text("a.csv")
    with pytest.raises(UserError, match="a file is in the place of a folder"):
        folder.list("a.csv")


def test_free_bytes_of_a_folder_to_come(tmp_path: Path) -> None:
    free = Folder.at(tmp_path / "not" / "yet").free_bytes()
    assert free is not None
    assert free > 0


@pytest.mark.parametrize(
    ("answer", "is_storage"),
    [
        ("When resolving region for bucket 'b': AWS Error NETWORK_CONNECTION", True),
        ("AWS Error SLOW_DOWN during HeadBucket operation", True),
        ("Bucket 'b' not found", False),
        ("AWS Error ACCESS_DENIED during HeadBucket operation", False),
    ],
)
def test_a_store_that_cannot_be_opened_now_may_be_later(
    monkeypatch: pytest.MonkeyPatch, answer: str, is_storage: bool
) -> None:
    import pyarrow.fs

    from maskcls.store import uris

    def opened(uri: str) -> None:
        raise OSError(answer)

    monkeypatch.setattr(pyarrow.fs, "FileSystem", SimpleNamespace(from_uri=opened))
    with pytest.raises(UserError, match="cannot be opened") as raised:
        uris.open_store("s3://opened-now", None)
    assert isinstance(raised.value, StorageError) is is_storage
