"""What `maskcls submit` refuses, sends, reads out of a log and fetches; no cluster is needed for it."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.cli.main import main
from maskcls.cli.verbs.submit import _places
from maskcls.commands import submit as submitting
from maskcls.commands.submit import Argument, Order, source
from maskcls.commands.submit.address import (
    Address,
    Mode,
    authentication_mode,
    parse_address,
    prepare_environment,
    refuse_open,
    require_token,
)
from maskcls.commands.submit.fetching import SEARCH_FILES, fetch
from maskcls.commands.submit.following import Log, ending
from maskcls.commands.submit.job import checked_id, entrypoint, hints, new_id
from maskcls.commands.submit.places import refuse_left_behind, refuse_relative
from maskcls.commands.submit.words import last_line
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.store.paths import Folder
from tests.conftest import Heard

MODE_PAGE = "/api/authentication_mode"
PROJECT = '[project]\nname = "maskcls"\n'
LOCAL = Address("http://127.0.0.1:8265", "127.0.0.1")
REMOTE = Address("http://10.0.0.7:8265", "10.0.0.7")
SECURE = Address("https://ray.example.org", "ray.example.org")


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token; what submit sets in the environment is taken back."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # Not taken away: Ray reads it once a process, and a test may be the first to import it.
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    for name in ("RAY_API_SERVER_ADDRESS", "no_proxy"):
        monkeypatch.setenv(name, "before")  # so that it is put back, or taken out, at the end
        monkeypatch.delenv(name)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return home


class Dashboard(ThreadingHTTPServer):
    """Answers every GET in the same way, and remembers who asked for what.

    inside: the code for all pages but the one about the guard, None for the same as there.
    """

    daemon_threads = True

    def __init__(self, code: int, body: bytes, inside: int | None) -> None:
        self.code, self.body, self.inside = code, body, inside
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Dashboard)
        server.asked.append((self.path, self.headers.get("Authorization")))
        other = server.inside if self.path != MODE_PAGE else None
        self.send_response(other or server.code)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., Dashboard]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on loopback that gives the answer; all of them end with the test."""
    running: list[tuple[Dashboard, threading.Thread]] = []

    def start(answer: object, code: int = 200, inside: int | None = None) -> Dashboard:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        server = Dashboard(code, body, inside)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address where a connection is taken and no word is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


# ---- address -------------------------------------------------------------------------------------


def test_the_option_wins_over_the_variable_and_both_over_loopback() -> None:
    named = {"RAY_API_SERVER_ADDRESS": "http://variable:1"}
    assert parse_address("https://Option/ray/", named) == Address("https://Option/ray", "option")
    assert parse_address(None, named).url == "http://variable:1"
    assert parse_address(None, {}).url == "http://127.0.0.1:8265"
    assert parse_address(None, {"RAY_API_SERVER_ADDRESS": ""}).url == "http://127.0.0.1:8265"


@pytest.mark.parametrize(
    "text",
    ["auto", "ray://head:10001", "127.0.0.1:8265", "localhost:8265", "http://", "http://h:port",
     "http://[::1", "http://h?x=1", "file:///x", ""],
)  # fmt: skip
def test_what_is_no_dashboards_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--address .*http://HOST:8265"):
        parse_address(text, {})


@pytest.mark.parametrize("text", ["http://user:hidden@head:8265", "user:hidden@head:8265"])
def test_a_password_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_address(text, {})
    assert "hidden" not in str(refused.value)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UserError, match=r"^RAY_API_SERVER_ADDRESS auto:"):
        parse_address(None, {"RAY_API_SERVER_ADDRESS": "auto"})


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://127.0.0.1:8265", True), ("http://127.9.8.7", True), ("http://[::1]:8265", True),
     ("https://LOCALHOST", True), ("http://0.0.0.0:8265", False), ("http://10.0.0.7", False),
     ("http://localhost.example.org", False), ("http://127.0.0.1.example.org", False),
     ("http://[2001:db8::1]:8265", False)],
)  # fmt: skip
def test_loopback_is_this_machine_alone(url: str, loopback: bool) -> None:
    assert parse_address(url, {}).is_loopback == loopback


# ---- the cluster's guard -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_the_cluster_is_asked_how_it_is_guarded_without_the_token(
    serve: Serve, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    server = serve({"authentication_mode": mode})
    assert authentication_mode(parse_address(server.url, {})) == mode
    assert server.asked == [(MODE_PAGE, None)]


def test_a_proxy_is_not_asked_for_this_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", unused_address())
    server = serve({"authentication_mode": "token"})
    assert authentication_mode(parse_address(server.url, {})) == "token"


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [(b"no such page", 404, "HTTP 404"), (b"", 401, "HTTP 401"), (b"<html>", 200, "understood"),
     (b"\xff\xfe\xfa", 200, "understood"), ([], 200, "guarded"), ({}, 200, "guarded"),
     ({"authentication_mode": "unknown"}, 200, "guarded"),
     ({"authentication_mode": None}, 200, "guarded")],
)  # fmt: skip
def test_who_does_not_answer_as_ray_does_is_not_ray(
    serve: Serve, answer: object, code: int, told: str
) -> None:
    server = serve(answer, code)
    with pytest.raises(UserError, match=f"not the dashboard of a Ray.*{told}"):
        authentication_mode(parse_address(server.url, {}))


def test_an_address_where_nobody_listens_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"no answer \(.*refused\)"):
        authentication_mode(parse_address(unused_address(), {}))


def test_silence_has_an_end(deaf: str) -> None:
    with pytest.raises(UserError, match=r"no answer \(.*timed out\)"):
        authentication_mode(parse_address(deaf, {}), timeout_s=0.1)


def test_an_open_cluster_is_used_through_loopback_only() -> None:
    refuse_open(LOCAL, "disabled")
    refuse_open(REMOTE, "token")
    for address in (REMOTE, SECURE):
        with pytest.raises(UserError, match="RAY_AUTH_MODE=token"):
            refuse_open(address, "disabled")


@pytest.mark.parametrize(
    ("address", "mode", "warned"),
    [(REMOTE, "token", True), (SECURE, "token", False), (LOCAL, "token", False),
     (LOCAL, "disabled", False)],
)  # fmt: skip
def test_a_token_that_travels_unencrypted_is_warned_of(
    address: Address, mode: Mode, warned: bool, heard: Heard
) -> None:
    submitting._warn(Order("train", ("s3://b/d",)), address, mode, heard)
    assert ["unencrypted" in text for text in heard.warnings] == [True] * warned


def test_credentials_in_a_location_are_warned_of_and_not_repeated(heard: Heard) -> None:
    submitting._warn(Order("train", ("s3://key:hidden@b/d",)), LOCAL, "token", heard)
    assert len(heard.warnings) == 1
    assert "hidden" not in heard.warnings[0]


# ---- the token -----------------------------------------------------------------------------------


def test_a_token_is_looked_for_where_ray_looks(
    own_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UserError, match=r"RAY_AUTH_TOKEN, .*RAY_AUTH_TOKEN_PATH.*~/\.ray/auth_token"
    ):
        require_token()
    (own_environment / ".ray").mkdir()
    (own_environment / ".ray" / "auth_token").write_text("abc\n")
    require_token()
    # A path that is named and leads nowhere is an error for Ray, too.
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(UserError, match="there is none here"):
        require_token()
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(UserError, match="there is none here"):
        require_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    require_token()


@pytest.mark.parametrize("token", ["hidden\nlines", "hidden words", "hidden\u00e4"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(UserError) as refused:
        require_token()
    assert "hidden" not in str(refused.value)


def test_ray_is_told_to_send_the_token_and_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("RAY_AUTH_MODE")
    prepare_environment(LOCAL, "token")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_API_SERVER_ADDRESS"] == LOCAL.url
    assert os.environ["no_proxy"] == "example.org,127.0.0.1"


def test_no_token_is_sent_to_who_asks_for_none() -> None:
    prepare_environment(LOCAL, "disabled")  # and none is needed
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_token_that_the_user_keeps_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UserError, match="RAY_AUTH_MODE=disabled keeps the token back"):
        prepare_environment(LOCAL, "token")


# ---- what is sent --------------------------------------------------------------------------------


def test_a_new_id_can_be_read_and_is_another_each_time() -> None:
    found = {new_id("train") for _ in range(20)}
    assert len(found) > 15
    for text in found:
        assert checked_id(text) == text
        assert text.startswith("train-2")


@pytest.mark.parametrize("text", ["", "a b", "../x", "-x", "a/b", "a?b", "ä", "x" * 101, "a\n"])
def test_an_id_that_is_no_part_of_a_url_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--id "):
        checked_id(text)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))))
def test_the_arguments_reach_the_job_unchanged(words: list[str]) -> None:
    line = entrypoint("train", words)
    assert shlex.split(line) == ["python", "-m", "ray_jobs.train", *words]


@pytest.mark.parametrize(
    ("job", "line", "places"),
    [
        ("train", "s3://b/d --preset report --run=s3://b/r --config c.toml --set optim.lr=1",
         [("DATA", "s3://b/d"), ("--run", "s3://b/r"), ("--config", "c.toml")]),
        ("ensemble", "/r/1 /r/2 --weights 1:2 --out /o.csv",
         [("RUN", "/r/1"), ("RUN", "/r/2"), ("--out", "/o.csv")]),
        ("predict", "--set cluster.gpus=0 /run /photos --out /o.csv",
         [("RUN", "/run"), ("IMAGES", "/photos"), ("--out", "/o.csv")]),
    ],
)  # fmt: skip
def test_the_jobs_own_parser_tells_which_arguments_are_places(
    job: str, line: str, places: list[tuple[str, str]]
) -> None:
    assert _places(job, shlex.split(line)) == places


@pytest.mark.parametrize("line", ["", "s3://b/d", "s3://b/d --run s3://b/r --fetch here"])
def test_what_the_job_would_not_understand_ends_here(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["submit", "train", *shlex.split(line)])
    assert stop.value.code == Exit.MISTAKE
    assert "maskcls submit train: error:" in capsys.readouterr().err


def test_help_of_submit_and_of_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in ((["--help"], "--no-wait"), (["train", "--help"], "--run RUN")):
        with pytest.raises(SystemExit) as stop:
            main(["submit", *words])
        assert stop.value.code == 0
        assert told in capsys.readouterr().out


@pytest.mark.parametrize("name", ["DATA", "RUN", "--run", "--out"])
def test_a_relative_location_is_refused_by_its_name(name: str) -> None:
    for value in ("data", "./data", "../data", "s3:/bucket/data"):
        with pytest.raises(UserError, match=f"^{name} .*a relative path"):
            refuse_relative([Argument("DATA", "s3://b/d"), Argument(name, value)])
    for value in ("/data", "s3://b/data", "gs://b/data", "file:///data", "~/data"):
        refuse_relative([Argument(name, value)])


def test_a_file_that_travels_may_be_named_as_it_lies_here() -> None:
    names = {"mine.toml", "sub/mine.toml"}
    for value in (
        "mine.toml",
        "./mine.toml",
        "sub/../sub/mine.toml",
        "/nfs/x.toml",
        "s3://b/x.toml",
    ):
        refuse_relative([Argument("--config", value)])
        refuse_left_behind([Argument("--config", value)], names)
    for value in ("ignored.toml", "../mine.toml", "sub"):
        with pytest.raises(UserError, match=r"^--space .*does not travel"):
            refuse_left_behind([Argument("--space", value)], names)
    with pytest.raises(UserError, match="does not travel"):
        refuse_left_behind([Argument("--config", "mine.toml")], ())


def test_a_checkout_is_known_by_its_project_and_jobs(tmp_path: Path) -> None:
    assert source.is_checkout(Path(__file__).parents[2])
    assert not source.is_checkout(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert not source.is_checkout(tmp_path)
    (tmp_path / "ray_jobs").mkdir()
    assert source.is_checkout(tmp_path)
    for other in ("[project]\nname = 'other'\n", "[tool]\n", "project = 1\n", "no toml"):
        (tmp_path / "pyproject.toml").write_text(other)
        assert not source.is_checkout(tmp_path)


def test_a_checkout_travels_as_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "ray_jobs").mkdir()
    monkeypatch.chdir(tmp_path)
    with source.source() as (folder, is_checkout):
        assert (folder, is_checkout) == (tmp_path, True)


def test_elsewhere_the_installed_packages_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"stays here")
    monkeypatch.chdir(tmp_path)
    with source.source() as (folder, is_checkout):
        assert not is_checkout
        assert sorted(path.name for path in folder.iterdir()) == ["maskcls", "ray_jobs"]
        assert (folder / "ray_jobs" / "train.py").is_file()
        assert (folder / "maskcls" / "config" / "presets" / "report.toml").is_file()
        assert not list(folder.rglob("__pycache__"))
    assert not folder.exists()


def test_what_gitignore_names_does_not_travel(tmp_path: Path) -> None:
    for name, text in {
        ".gitignore": "/data/\n*.safetensors\n",
        "maskcls/a.py": "12345",
        "maskcls/__pycache__/a.pyc": "x",
        "data/photo.jpg": "x",
        "maskcls/data/kept.csv": "x",
        "big.safetensors": "x",
        ".git/HEAD": "x",
        ".venv/bin/python": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = source.travelling(tmp_path)
    assert set(files) == {".gitignore", "maskcls/a.py", "maskcls/data/kept.csv"}
    assert files["maskcls/a.py"] == 5


def test_data_among_the_source_is_noticed() -> None:
    source.refuse_large({"maskcls/a.py": source.LARGEST_SOURCE})
    files = {"maskcls/a.py": 10, "photos/1.jpg": 30 * 2**20, "photos/2.jpg": 30 * 2**20}
    with pytest.raises(UserError, match=r"60.0 MiB .* most of it photos \(60.0 MiB\)"):
        source.refuse_large(files)


def test_the_hints_are_commands_whose_variables_win() -> None:
    follow, stop = hints(LOCAL, "token", "train-1")
    assert shlex.split(follow)[:2] == ["RAY_AUTH_MODE=token", f"RAY_API_SERVER_ADDRESS={LOCAL.url}"]
    assert shlex.split(follow)[2:] == ["ray", "job", "logs", "-f", "train-1"]
    assert shlex.split(stop)[2:] == ["ray", "job", "stop", "train-1"]


# ---- the log -------------------------------------------------------------------------------------

TEXT = "Running entrypoint\n\nfold 0 done\nmaskcls train: exit code 3 (degraded)\n"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, len(TEXT))), st.lists(st.integers(0, len(TEXT))))
def test_however_a_log_is_cut_each_line_is_shown_once(first: list[int], second: list[int]) -> None:
    shown: list[str] = []
    log = Log("train", shown.append)
    reached = max(first, default=0)
    for cuts, text in ((first, TEXT[:reached]), (second, TEXT)):  # the connection was lost between
        log.rewind()
        ends = [*sorted(cut for cut in cuts if cut < len(text)), len(text)]
        for start, end in zip([0, *ends], ends, strict=False):
            log.take(text[start:end])
    assert shown == TEXT.splitlines()
    assert log.exit_code == 3


def test_the_last_line_tells_the_exit_code_even_without_its_end() -> None:
    log = Log("train", lambda line: None)
    log.take("maskcls train: exit code 0 (good)\nmaskcls train: exit code 130 (interrupted)")
    assert log.exit_code == 0
    log.close()
    assert log.exit_code == 130


@pytest.mark.parametrize(
    "line",
    ["maskcls ensemble: exit code 0 (good)", "he said: maskcls train: exit code 0 (good)",
     "maskcls train: exit code x (good)", "maskcls train: exit code 0"],
)  # fmt: skip
def test_another_line_tells_no_exit_code(line: str) -> None:
    log = Log("train", lambda line: None)
    log.take(line + "\n")
    log.close()
    assert log.exit_code is None


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [("SUCCEEDED", 0, Exit.GOOD), ("FAILED", 1, Exit.FAILURE), ("FAILED", 2, Exit.MISTAKE),
     ("FAILED", 3, Exit.DEGRADED), ("STOPPED", 130, Exit.INTERRUPTED), ("FAILED", 77, Exit.FAILURE)],
)  # fmt: skip
def test_the_exit_code_is_the_jobs_own(status: str, told: int, code: Exit) -> None:
    assert ending("train-1", status, None, told) is code


@pytest.mark.parametrize(
    ("status", "message", "told", "sentence"),
    [
        ("STOPPED", None, None, "train-1 ended as stopped and its log tells no exit code."),
        ("SUCCEEDED", "", None, "train-1 ended as succeeded and its log tells no exit code."),
        ("FAILED", "no node\n is free", 0, "as failed and its log tells no exit code: no node is free"),
        ("FAILED", "Job failed with exit code 1, last available logs (truncated):\nline", None,
         "code: Job failed with exit code 1"),
    ],
)  # fmt: skip
def test_an_end_without_an_exit_code_is_a_failure_with_a_sentence(
    status: str, message: str | None, told: int | None, sentence: str
) -> None:
    with pytest.raises(RunFailed) as failed:
        ending("train-1", status, message, told)
    assert str(failed.value).endswith(sentence)


def test_a_traceback_comes_down_to_its_last_line() -> None:
    text = "Request failed with status code 500: Traceback:\n  File x\nValueError: it exists.\n."
    assert last_line(text) == "ValueError: it exists"
    assert last_line("") == "an error without a text"


# ---- fetching ------------------------------------------------------------------------------------


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_a_runs_files_are_fetched_and_those_it_lacks_are_not_missed(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "metrics.json", "config.json", "oof.parquet", "other")
    places = [Argument("DATA", "/data"), Argument("--run", str(run))]
    fetched, missing = fetch("train", places, Folder.at(tmp_path / "here"))
    assert fetched == ["metrics.json", "config.json", "oof.parquet"]
    assert missing == []
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == sorted(fetched)
    assert (tmp_path / "here" / "oof.parquet").read_text() == "oof.parquet"


@pytest.mark.parametrize("job", ["ensemble", "predict"])
def test_a_file_is_fetched_with_its_provenance(tmp_path: Path, job: str) -> None:
    there = write(tmp_path / "there", "o.csv", "o.csv.provenance.json")
    places = [Argument("RUN", "/run"), Argument("--out", str(there / "o.csv"))]
    fetched, missing = fetch(job, places, Folder.at(tmp_path / "here"))
    assert (fetched, missing) == (["o.csv", "o.csv.provenance.json"], [])


def test_a_pipeline_has_both_and_what_cannot_be_seen_is_named(tmp_path: Path) -> None:
    there = write(tmp_path / "there", "o.csv")
    places = [
        Argument("DATA", "/data"),
        Argument("--run", str(tmp_path / "elsewhere")),
        Argument("--out", str(there / "o.csv")),
    ]
    fetched, missing = fetch("pipeline", places, Folder.at(tmp_path / "here"))
    assert fetched == ["o.csv"]
    assert len(missing) == 1
    assert "elsewhere/metrics.json: not to be seen from this machine" in missing[0]


def test_a_search_leaves_its_tables(tmp_path: Path) -> None:
    run = write(tmp_path / "run", *SEARCH_FILES, "folds.parquet")
    places = [Argument("--run", str(run)), Argument("--space", "space.toml")]
    fetched, missing = fetch("tune", places, Folder.at(tmp_path / "here"))
    assert (fetched, missing) == (list(SEARCH_FILES), [])


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "metrics.json")
    here = write(tmp_path / "here")
    (here / "metrics.json").write_text("mine")
    places = [Argument("--run", str(run))]
    fetched, missing = fetch("train", places, Folder.at(here))
    assert fetched == []
    assert "is there already" in missing[0]
    assert (here / "metrics.json").read_text() == "mine"


# ---- the whole command, up to Ray ----------------------------------------------------------------

TRAIN = ["train", "s3://b/d", "--run", "s3://b/r"]


def test_nothing_is_asked_before_the_users_mistakes_are_told(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve({"authentication_mode": "token"})
    full = str(write(tmp_path / "full", "file"))
    for words, told in (
        (["--fetch", full, *TRAIN], "--fetch .*full: there is something already"),
        (["--fetch", f"{full}/file", *TRAIN], "--fetch .*there is something already"),
        (["--fetch", str(tmp_path / "new"), "--no-wait", *TRAIN], "--no-wait does not wait"),
        (["--id", "a b", *TRAIN], "--id a b"),
        (["train", "data", "--run", "s3://b/r"], "DATA data: a relative path"),
        (["train", "s3://b/d", "--run", "runs/r"], "--run runs/r: a relative path"),
    ):
        assert main(["submit", "--address", server.url, *words]) == Exit.MISTAKE
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        assert re.search(told, captured.err)
    assert server.asked == []


def test_without_a_token_nothing_is_sent(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve({"authentication_mode": "token"})
    assert main(["submit", "--address", server.url, *TRAIN]) == Exit.MISTAKE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the cluster asks for a token and there is none here" in captured.err
    assert server.asked == [(MODE_PAGE, None)]


def test_the_variable_names_the_cluster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = unused_address()
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
    assert main(["submit", *TRAIN]) == Exit.MISTAKE
    assert f"{address}: no answer" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "told"), [(401, "not the cluster's"), (403, "not the cluster's"),
                                              (500, "nothing was sent")])  # fmt: skip
def test_rays_own_client_sends_the_token_and_its_failure_is_one_sentence(
    serve: Serve, tmp_path: Path, inside: int, told: str
) -> None:
    # In a process of its own, since Ray keeps the first token that it finds.
    server = serve({"authentication_mode": "token"}, inside=inside)
    root = Path(__file__).parents[2]
    environment = os.environ | {"RAY_AUTH_TOKEN": "secret", "PYTHONPATH": str(root)}
    del environment["RAY_AUTH_MODE"]
    command = [sys.executable, "-m", "maskcls", "submit", "--id", "mine", "--address", server.url]
    done = subprocess.run(
        [*command, *TRAIN],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == (Exit.FAILURE if inside == 500 else Exit.MISTAKE), done.stderr
    assert done.stdout == f"job mine at {server.url}\n"
    assert "sends maskcls and ray_jobs: " in done.stderr
    assert told in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert server.asked == [(MODE_PAGE, None), ("/api/version", "Bearer secret")]
