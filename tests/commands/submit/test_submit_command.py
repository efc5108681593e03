"""The whole command, up to Ray; no cluster is needed for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.core.errors import Exit
from tests.commands.submit.dashboards import MODE_PAGE, Serve, unused_address

TRAIN = ["train", "s3://b/d", "--run", "s3://b/r"]


def test_nothing_is_asked_before_the_users_mistakes_are_reported(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve({"authentication_mode": "token"})
    full = str(tmp_path / "full")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    for words, reported in (
        (["--fetch", full, *TRAIN], "--fetch .*full: this is not an empty folder"),
        (["--fetch", f"{full}/file", *TRAIN], "--fetch .*this is not an empty folder"),
        (
            ["--fetch", str(tmp_path / "new"), "--no-wait", *TRAIN],
            "for which --no-wait does not wait",
        ),
        (["--id", "a b", *TRAIN], "--id a b"),
        (["train", "data", "--run", "s3://b/r"], "DATA data: a relative path"),
        (["train", "s3://b/d", "--run", "runs/r"], "--run runs/r: a relative path"),
    ):
        assert main(["submit", "--address", server.url, *words]) == Exit.MISTAKE
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        assert re.search(reported, captured.err)
    assert server.asked == []


def test_without_a_token_nothing_is_sent(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve({"authentication_mode": "token"})
    assert main(["submit", "--address", server.url, *TRAIN]) == Exit.MISTAKE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the cluster requires a token and none is found here" in captured.err
    assert server.asked == [(MODE_PAGE, None)]


def test_the_variable_names_the_cluster(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = unused_address()
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
    assert main(["submit", *TRAIN]) == Exit.MISTAKE
    assert f"{address}: no answer" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "reported"), [(401, "not the cluster's"), (403, "not the cluster's"),
                                              (500, "nothing was sent")])  # fmt: skip
def test_rays_own_client_sends_the_token_and_its_failure_is_one_sentence(
    serve: Serve, tmp_path: Path, inside: int, reported: str
) -> None:
    # In a process of its own, since Ray keeps the first token that it finds.
    server = serve({"authentication_mode": "token"}, inside=inside)
    root = Path(__file__).parents[3]
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
    assert reported in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert server.asked == [(MODE_PAGE, None), ("/api/version", "Bearer secret")]
