"""The token file and the temporary folders; Ray itself is started by the tests marked ray."""

import os
import stat
from pathlib import Path

import pytest

from maskcls.cluster import session
from maskcls.core.errors import UserError
from tests.conftest import Heard


def test_the_token_is_random_and_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        first = session.token_file(tmp_path / "a")
        second = session.token_file(tmp_path / "b")
    finally:
        os.umask(old)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert len(first.read_text()) == 64
    assert first.read_text() != second.read_text()


def test_the_token_stays_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    path = session.token_file(tmp_path)
    token = path.read_text()
    assert session.token_file(tmp_path).read_text() == token
    path.write_text("")
    assert len(session.token_file(tmp_path).read_text()) == 64


def test_what_dead_commands_left_is_swept_and_a_living_ones_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "temporary_root", lambda: str(tmp_path))
    dead, alive = tmp_path / "mcls-1-x", tmp_path / "mcls-2-x"
    for folder in (dead, alive):
        folder.mkdir()
    os.close(session.hold(dead))
    descriptor = session.hold(alive)
    session._sweep()
    os.close(descriptor)
    assert not dead.exists()
    assert alive.exists()


def test_a_long_temporary_folder_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/" + "x" * 40)
    assert session.temporary_root() == "/tmp"  # noqa: S108


def test_a_public_address_without_a_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with (
        pytest.raises(UserError, match="would listen on every address"),
        session.ray_session(tmp_path, False, Heard()),
    ):
        pass
    assert not (tmp_path / "ray-token").exists()
