"""Local changes are there whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from maskcls.store import atomic


def test_old_content_stays_when_the_write_fails_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    atomic.write_file_atomically(path, b"old")

    def half(descriptor: int, data: atomic.Data) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(atomic, "_write_all", half)
    with pytest.raises(OSError, match="full"):
        atomic.write_file_atomically(path, b"new content")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writes_cut_short_by_the_system_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def three(descriptor: int, data: memoryview) -> int:
        return write(descriptor, data[:3])

    monkeypatch.setattr(os, "write", three)
    atomic.write_file_atomically(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def _recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []

    def record(owner: object, name: str, describe: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def recording(*args: object, **kwargs: object) -> object:
            calls.append(describe(*args))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, recording)

    record(atomic, "_fsync", lambda path, _: f"fsync {path.name}")
    record(os, "fsync", lambda _: "flush")
    record(Path, "rename", lambda source, target: f"rename {source.name} {target.name}")
    record(Path, "replace", lambda source, target: f"rename {target.name}")
    return calls


def test_file_is_flushed_before_and_its_folder_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _recorded(monkeypatch)
    atomic.write_file_atomically(tmp_path / "a", b"1")
    assert calls == ["flush", "rename a", f"fsync {tmp_path.name}", "flush"]


def test_folder_is_flushed_with_all_it_holds_and_renamed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = tmp_path / "staged"
    (staged / "deep").mkdir(parents=True)
    (staged / "deep" / "a").write_text("1")
    calls = _recorded(monkeypatch)
    atomic.rename_into_place(staged, tmp_path / "target")
    named = [call for call in calls if call != "flush"]
    place = named.index("rename staged target")
    assert {"fsync staged", "fsync deep", "fsync a"} <= set(named[:place])
    assert set(named[place + 1 :]) == {f"fsync {tmp_path.name}"}
    assert (tmp_path / "target" / "deep" / "a").read_text() == "1"


def test_folders_that_cannot_be_flushed_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "fsync", refuse)
    atomic.fsync_folder(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken disk"):
        atomic.fsync_folder(tmp_path)


def test_a_fill_that_fails_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"old")

    def fill(temporary: Path) -> None:
        temporary.write_bytes(b"half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        atomic.fill_file_atomically(path, fill)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.parquet"]
    atomic.fill_file_atomically(path, lambda temporary: temporary.write_bytes(b"new") and None)
    assert path.read_bytes() == b"new"
