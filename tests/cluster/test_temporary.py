"""Where the temporary folder of our own Ray lies, and what is swept."""

import os
from pathlib import Path

import pytest

from maskcls.cluster import temporary
from maskcls.core.errors import UserError


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is fit whatever pytest calls its own: the longest path is set by it."""
    monkeypatch.setattr(temporary, "max_root_bytes", lambda: len(str(tmp_path)) + 8)
    return tmp_path


def test_what_dead_commands_left_is_swept_and_a_living_ones_stays(tmp_path: Path) -> None:
    dead, old, alive = tmp_path / "mcls-x", tmp_path / "mcls-1-x", tmp_path / "mcls-y"
    for folder in (dead, old, alive):
        folder.mkdir()
    os.close(temporary.hold(dead))
    descriptor = temporary.hold(alive)
    (tmp_path / "mcls-file").write_text("")
    before = len(list(Path("/proc/self/fd").iterdir()))
    temporary.sweep(str(tmp_path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(descriptor)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mcls-file", "mcls-y"]


def test_the_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with temporary.temporary_folder(str(tmp_path)) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        temporary.sweep(str(tmp_path))
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_longest_root_is_where_rays_socket_just_fits() -> None:
    root = "/" + "x" * (temporary.max_root_bytes() - 1)
    session = f"session_2026-01-01_12-00-00_123456_{os.getpid()}"
    path = f"{root}/{temporary.PREFIX}abcdefgh/r/{session}/sockets/plasma_store"
    assert len(path) == 107
    assert temporary.max_root_bytes() > 18  # what was fixed before, whatever the process id


def test_tmpdir_is_used_where_it_is_fit(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(short))
    assert temporary.temporary_root() == str(short)
    assert temporary.why_not_named(str(short)) == ""
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(temporary, "_STANDARD", ("/no/such", str(short)))
    assert temporary.temporary_root() == str(short)
    assert temporary.why_not_named(str(short)) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("임시", "not ASCII"),
        ("a-name-that-is-long", "characters, and Ray's sockets below it allow"),
        ("absent", "is not a folder"),
        ("full", r"has 0\.1 MiB free, and Ray needs 32 MiB"),
        ("locked", "is not writable"),
    ],
)
def test_what_keeps_tmpdir_from_being_used_is_reported(
    short: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    folder = short / name
    if name != "absent":
        folder.mkdir()
    free = temporary.free_bytes
    monkeypatch.setattr(
        temporary, "free_bytes", lambda of: 2**16 if of.endswith("full") else free(of)
    )
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda of, mode: not str(of).endswith("locked") and access(of, mode)
    )
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(temporary, "_STANDARD", (str(short),))
    assert temporary.temporary_root() == str(short)
    (line,) = temporary.why_not_named(str(short)).splitlines()
    assert line.startswith(f"TMPDIR: {folder} ")
    assert line.endswith(f"are in {short}")
    monkeypatch.setattr(temporary, "_STANDARD", ("/no/such",))
    with pytest.raises(UserError, match=f"{why}.*; /no/such is not a folder; set TMPDIR") as raised:
        temporary.temporary_root()
    assert len(str(raised.value).splitlines()) == 1
