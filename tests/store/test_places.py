"""The cache's folder and the token's, for users with and without a home folder."""

import os
from pathlib import Path

import pytest

from maskcls.cluster.dashboard import token_of
from maskcls.core.errors import UserError
from maskcls.store import places


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without an entry in passwd, and no HOME: as in a container."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "MASKCLS_CACHE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


def _readonly(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No permission to write there, which root would have."""
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != folder and access(path, mode)
    )


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.cache_root("~/own") == tmp_path / "own"
    monkeypatch.setenv("MASKCLS_CACHE", "~/named")
    assert places.cache_root("auto") == tmp_path / "named"
    monkeypatch.delenv("MASKCLS_CACHE")
    assert places.cache_root("auto") == tmp_path / ".cache/maskcls"


@pytest.mark.usefixtures("no_home")
def test_no_home_folder_is_one_sentence_with_the_ways_out(tmp_path: Path) -> None:
    for look in (places.require_home, lambda: places.cache_root("auto")):
        with pytest.raises(UserError) as raised:
            look()
        (line,) = str(raised.value).splitlines()
        assert all(name in line for name in ("HOME", "MASKCLS_CACHE", "cluster.cache_dir"))
    assert places.cache_root(str(tmp_path)) == tmp_path
    assert places.read_token("auto") is None
    assert token_of() is None
    assert places.token_path(tmp_path) == tmp_path / f"user-{os.geteuid()}/ray-token"


def test_a_cache_that_cannot_be_made_names_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MASKCLS_CACHE")
    _readonly(monkeypatch, tmp_path)
    with pytest.raises(
        UserError, match=r"cannot be written; set MASKCLS_CACHE or cluster\.cache_d"
    ):
        places.cache_root("auto")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder; set MASKCLS_CACHE"):
        places.cache_root(str(tmp_path / "file/cache"))
    (tmp_path / ".cache/maskcls").mkdir(parents=True)  # may be whole, and is only read then
    assert places.cache_root("auto") == tmp_path / ".cache/maskcls"


def test_a_uri_is_no_cache() -> None:
    with pytest.raises(UserError, match=r"^cluster\.cache_dir: s3://b/c: .*name a local folder"):
        places.cache_root("s3://b/c")


def test_the_token_lies_in_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, state = tmp_path / "cache", tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    assert places.token_path(cache) == state / "maskcls/ray-token"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # to be ignored, by the standard
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.token_path(cache) == tmp_path / ".local/state/maskcls/ray-token"


def test_two_users_of_a_cache_have_a_token_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []
    # The home folder is neither's: as after sudo, or HOME=/ in a container.
    for uid in (os.geteuid() + 1, os.geteuid() + 2):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        found.append(places.token_path(tmp_path / "cache"))
    assert [path.parent.parent for path in found] == [tmp_path / "cache"] * 2
    assert found[0] != found[1]


def test_status_reads_the_token_that_a_run_made(tmp_path: Path) -> None:
    from maskcls.cluster.session import token_file

    assert places.read_token(str(tmp_path)) is None
    path = token_file(tmp_path)
    assert places.read_token(str(tmp_path)) == path.read_text()
