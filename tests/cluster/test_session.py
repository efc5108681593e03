"""Starting and joining Ray; Ray itself is started by the tests marked ray."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskcls.cluster import session
from maskcls.core.errors import UserError
from tests.conftest import Heard


def test_the_token_is_random_and_the_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, tokens = os.umask(0o022), []
    try:
        for name in ("a", "b"):
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name))
            tokens.append(session.token_file(tmp_path / "cache"))
    finally:
        os.umask(old)
    for path in tokens:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert len(path.read_text()) == 64
    assert tokens[0].read_text() != tokens[1].read_text()
    assert not (tmp_path / "cache").exists()


def test_the_token_stays_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    path = session.token_file(tmp_path)
    token = path.read_text()
    path.chmod(0o644)
    assert session.token_file(tmp_path).read_text() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("")
    assert len(session.token_file(tmp_path).read_text()) == 64


def test_a_token_that_cannot_be_kept_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(session, "token_path", lambda _: tmp_path / "file/maskcls/ray-token")
    with pytest.raises(UserError, match=r"ray-token: the token .* XDG_STATE_HOME"):
        session.token_file(tmp_path)


def test_a_public_address_without_a_token_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with (
        pytest.raises(UserError, match="would listen on every address"),
        session.ray_session(tmp_path, False, Heard()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


_STUCK = """
import ctypes, signal, sys, threading
from maskcls.cluster import session
session._SIGNAL_S = 0.2
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, interrupt)
with session._our_signals():
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    libc.pthread_mutex_lock(mutex)
    threading.Timer(0.3, print, ["stuck"], {"flush": True}).start()
    libc.pthread_mutex_lock(mutex)  # as Ray's code may: no handler of Python's runs meanwhile
"""


def test_sigterm_ends_a_start_that_is_stuck_in_rays_code() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        begun = time.monotonic()
        process.terminate()
        code = process.wait(10)
        assert process.stderr is not None
        assert "interrupted" in process.stderr.read()
    assert code == 130
    assert time.monotonic() - begun < 5


def test_handlers_are_ours_again_and_rays_exit_is_an_interruption() -> None:
    def ours(number: int, frame: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, ours)
    try:
        with pytest.raises(KeyboardInterrupt):
            _init_as_ray_does()
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)


def _init_as_ray_does() -> None:
    with session._our_signals():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise SystemExit(15)


_LOCAL = """
import os, pathlib, sys
from maskcls.cluster.session import ray_session
from tests.conftest import Heard
with ray_session(pathlib.Path(sys.argv[1]), True, Heard()) as session:
    import ray
    import psutil
    def probe():
        import random
        return random.__file__, os.environ.get("PYTHONOPTIMIZE")
    random_file, optimize = ray.get(ray.remote(probe).remote())
    me = psutil.Process()
    listens = {c.laddr.ip.removeprefix("::ffff:") for p in [me, *me.children(recursive=True)]
               for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    token = pathlib.Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    print(random_file, optimize, session.is_local, bool(session.dashboard), ",".join(listens),
          oct(token.stat().st_mode & 0o777), token.parent)
"""


@pytest.mark.ray
def test_local_is_a_closed_ray_that_imports_nothing_from_the_current_folder(
    tmp_path: Path,
) -> None:
    """With what would make Ray's processes die or open up: see requirements.py and joining.py."""
    state, here = tmp_path / "state", tmp_path / "here"
    here.mkdir()
    (here / "random.py").write_text("raise SystemExit('the wrong random')\n")
    root = str(Path(__file__).parents[2])
    env = os.environ | {
        "RAY_ADDRESS": "local", "PYTHONOPTIMIZE": "1", "XDG_STATE_HOME": str(state),
        "PYTHONPATH": root, "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    env.pop("RAY_AUTH_TOKEN_PATH", None)  # of a session that this process had before
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOCAL, str(tmp_path / "cache")],
        cwd=here, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert said[0].startswith(sys.base_prefix)
    assert said[1:] == ["None", "True", "True", "127.0.0.1", "0o600", f"{state}/maskcls"]
