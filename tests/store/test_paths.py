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
from maskcls.store.paths import Folder
from maskcls.store.uris import refuse_credentials

NFC = unicodedata.normalize("NFC", "마스크-é")
NFD = unicodedata.normalize("NFD", NFC)


def test_importing_is_light() -> None:
    code = (
        "import sys, maskcls.store.paths as p; p.Folder.at('/tmp').exists();"
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


@pytest.mark.parametrize(
    "uri",
    ["s3://KEY:SEC%2FRET@b/runs", "s3://KEY@b/runs", "s3://KEY:SECRET@b/runs?scheme=http"],
)
def test_options_and_credentials_are_never_shown(uri: str) -> None:
    folder = Folder(uri, is_local=False).child("가 a", "x")
    assert folder.shown == "s3://b/runs/가 a/x"
    assert str(folder) == folder.shown
    assert repr(folder) == "Folder('s3://b/runs/가 a/x')"
    assert folder.location.startswith(uri.partition("?")[0])


@pytest.mark.parametrize("secret", ["SEC/RET", "12/RET", "SEC?RET", "SEC RET", "SEC#RET"])
def test_secret_that_breaks_the_uri_is_not_shown(secret: str) -> None:
    with pytest.raises(UserError) as caught:
        Folder.at(f"s3://KEY:{secret}@bucket/a?region=x")
    said = str(caught.value).partition(": a URI must not hold credentials")[0]
    for part in ("KEY", "SEC", "RET", "12"):
        assert part not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


WITH_CREDENTIALS = [
    "s3://KEY:SECRET@b/runs", "s3://KEY@b/runs", "s3://KEY:SEC/RET@b/runs", "gs://token@b/runs",
    "abfs://container:SECRET@account/runs", "abfss://:SECRET@account/runs", "hdfs://me@host:8020/a",
    "S3://KEY:SECRET@b", "file://me:SECRET@localhost/a", "s3://b/a?secret_key=SECRET",
    "abfs://c@account/a?client_secret=SECRET&tenant_id=1",
]  # fmt: skip


@pytest.mark.parametrize("uri", WITH_CREDENTIALS)
def test_a_uri_with_credentials_is_refused_wherever_it_stands(uri: str) -> None:
    looks = (
        lambda: Folder.at(uri),
        lambda: Folder.of_file(f"{uri}/out.csv" if "?" not in uri else uri),
        lambda: refuse_credentials(f"--run={uri}"),
        lambda: refuse_credentials(f"s3://b/first {uri}", "rows.extra"),
    )
    for look in looks:
        with pytest.raises(UserError, match=r"must not hold credentials.*environment") as raised:
            look()
        (line,) = str(raised.value).splitlines()
        assert "SEC" not in line.replace("AWS_SECRET_ACCESS_KEY", "")
        assert "token@" not in line


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b", "s3://bucket/a:b@c", "abfs://container@account/runs", "hdfs://host:8020/a@b",
        "gs://anonymous@public/a", "http://127.0.0.1:8265", "http://host:8265/a@b", "me@host:runs/a",
        "s3://b/a?endpoint_override=127.0.0.1:9000&scheme=http&region=x", "runs/a?token=1",
        "abfs://c@account/a?credential_kind=cli",
    ],
)  # fmt: skip
def test_what_holds_no_credentials_is_let_through(text: str) -> None:
    refuse_credentials(text)


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


def test_list_is_sorted_and_says_sizes(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    for name in ("b/2", "b/1", "a", ".hidden"):
        folder.write_bytes(name, name.encode())
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to("b")
    entries = {entry.name: entry for entry in folder.list(recursive=True)}
    assert list(entries) == [
        ".hidden", "a", "b", "b/1", "b/2", "b/up", "broken",
        "linked", "linked/1", "linked/2", "linked/up",
    ]  # fmt: skip
    assert entries["b/1"].size_bytes == 3
    assert entries["a"].mtime_ns == (tmp_path / "a").stat().st_mtime_ns
    assert [name for name, entry in entries.items() if entry.is_file] == [
        ".hidden", "a", "b/1", "b/2", "linked/1", "linked/2",
    ]  # fmt: skip
    assert [entry.name for entry in folder.list("b")] == ["1", "2", "up"]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x").symlink_to("../b")
    (tmp_path / "b" / "y").symlink_to("../a")
    (tmp_path / "self").symlink_to("self")
    names = [entry.name for entry in Folder.at(tmp_path).list(recursive=True)]
    assert names == ["a", "a/x", "a/x/y", "b", "b/y", "b/y/x", "self"]


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
    with pytest.raises(UserError, match="a file stands where a folder is meant"):
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
