"""A search on real Ray Tune: finds what was planted, survives a kill, agrees with its own files.

Also the test of maskcls.tuning.trial_runs, which prepares the trials' runs.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from maskcls.runs.settings import settings
from maskcls.store.folder import Folder
from maskcls.tuning.trials import read_trials
from tests.end_to_end.job_factory import TINY

# Three commands one after the other, each with a Ray of its own.
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

SPACE = """
[search]
sampler = "random"
trials = 6
first_rung = 2
reduction = 2
finalists = 2
seed = 1

[space]
optim.lr = [1e-9, 1e-8, 5e-3]
loss.name = ["cross_entropy", "focal"]
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from maskcls.demo.dataset import write_demo_data

    folder = tmp_path_factory.mktemp("people")
    write_demo_data(folder, people=48, eval_people=2, height=64, width=48, processes=1)
    return folder


LONG = ("train.epochs=6", "optim.gamma=1", "train.batch_size=8")


def command(people: Path, work: Path, settings: tuple[str, ...] = LONG) -> list[str]:
    sets = [*TINY, *settings]
    return [
        sys.executable, "-m", "maskcls", "tune", str(people), "--run", str(work / "search"),
        "--space", str(work / "space.toml"), "--preset", "smoke",
        *(word for text in sets for word in ("--set", text)),
    ]  # fmt: skip


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def passes(log: str) -> int:
    """How often images were decoded: each pass ends with a line such as "decoded 336/336"."""
    return len(re.findall(r"^decoded (\d+)/\1$", log, re.MULTILINE))


def test_it_finds_what_was_planted_and_survives_a_kill(people: Path, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    search = tmp_path / "search"
    started = time.monotonic()
    with (tmp_path / "first.log").open("w") as log:
        first = subprocess.Popen(command(people, tmp_path), stdout=log, stderr=log)
    # Killed when a trial has ended and others are at work.
    ended: list[Path] = []
    while not ended and first.poll() is None and time.monotonic() - started < 200:
        time.sleep(0.3)
        records = sorted((search / "trials").glob("*.json"))
        ended = [p for p in records if read(p)["state"] in ("finished", "stopped")]
    assert first.poll() is None, (tmp_path / "first.log").read_text()
    mine = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    psutil.wait_procs(mine, timeout=5)
    assert ended
    before = {path: path.read_bytes() for path in ended}

    again = subprocess.run(
        command(people, tmp_path), capture_output=True, text=True, timeout=600,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    trials = read_trials(Folder.at(search))
    assert [t.number for t in trials] == list(range(6))
    for path, content in before.items():
        was, now = json.loads(content), read(path)
        assert (was["settings"], was["scores"], was["state"]) == (
            now["settings"], now["scores"], now["state"],
        )  # fmt: skip

    # The table is what the trials' own files say.
    table = read(search / "trials.json")
    assert sorted(row["number"] for row in table) == list(range(6))
    for row in table:
        folder = search / f"trials/{row['number']:03}"
        lines = (folder / "fold-0/history.jsonl").read_text().splitlines()
        assert row["scores"] == [json.loads(line)["score"] for line in lines]
        config = read(folder / "config.json")
        assert config["optim"]["lr"] == row["settings"]["optim.lr"]
        assert (folder / "folds.parquet").read_bytes() == (search / "folds.parquet").read_bytes()
        if row["out_of_fold"]:
            metrics = read(folder / "metrics.json")
            assert row["out_of_fold"]["score"] == metrics["oof"]["score"]
            assert row["out_of_fold"]["folds"] == [f["score"] for f in metrics["folds"]]
    finished = sum(t.state == "finished" for t in trials)
    assert sum(row["out_of_fold"] is not None for row in table) == min(2, finished) > 0
    # The planted rate wins, and weak trials were not trained to their end.
    assert table[0]["settings"]["optim.lr"] == 5e-3
    assert any(t.state == "stopped" and len(t.scores) < 6 for t in trials)
    assert settings(None, str(search / "best.toml")).optim.lr == 5e-3
    assert "What mattered" in (search / "search.html").read_text()
    # Once for all trials and starts: one size, so one file of pixels for train and one for eval.
    assert passes((tmp_path / "first.log").read_text()) == 2
    assert passes(again.stderr) == 0

    # Nothing is left to do: the same command trains nothing and does not ask for Ray, which is missing.
    without = tmp_path / "without"
    without.mkdir()
    (without / "ray.py").write_text("raise SystemExit('Ray was asked for')\n")
    path = os.pathsep.join([str(without), os.environ.get("PYTHONPATH", "")])
    third = subprocess.run(
        command(people, tmp_path), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert third.returncode == 0, third.stderr
    (tmp_path / "space.toml").write_text(SPACE.replace("trials = 6", "trials = 7"))
    more = subprocess.run(
        command(people, tmp_path), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert more.returncode != 0
    assert "Ray was asked for" in more.stderr
    # Another space in the same folder is another search.
    (tmp_path / "space.toml").write_text(SPACE.replace("5e-3", "6e-3"))
    other = subprocess.run(
        command(people, tmp_path), capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert other.returncode == 2
    assert "[space] differs" in other.stderr


SIZES = """
[search]
sampler = "random"
trials = 2
finalists = 1

[space]
image.size = ["32x32", "40x40"]
"""


def test_what_went_wrong_in_between_does_not_end_it(people: Path, tmp_path: Path) -> None:
    # The pixels of the second size are made while a trial of the first holds the CPUs.
    (tmp_path / "space.toml").write_text(SIZES)
    search = tmp_path / "search"
    words = command(people, tmp_path, ("train.epochs=1",))
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert passes(done.stderr) == 4  # train and eval at each size
    table = read(search / "trials.json")
    assert {row["state"] for row in table} == {"finished"}
    assert {row["settings"]["image.size"] for row in table} == {"32x32", "40x40"}
    first, second = table

    # As if killed before the best was trained on all folds, and as soon as the other had its number;
    # meanwhile somebody has changed the best one's settings, so that it cannot go on.
    records = {row["number"]: search / f"trials/{row['number']:03}.json" for row in table}
    records[first["number"]].write_text(json.dumps(first | {"out_of_fold": None}))
    config = search / f"trials/{first['number']:03}/config.json"
    config.write_text(json.dumps(read(config) | {"optim": read(config)["optim"] | {"lr": 7.0}}))
    records[second["number"]].write_text(
        json.dumps(second | {"state": "running", "scores": [], "out_of_fold": None})
    )
    shutil.rmtree(search / f"trials/{second['number']:03}")
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    best, other = read(search / "trials.json")
    assert (best["number"], best["state"]) == (second["number"], "finished")
    assert best["scores"] == second["scores"]  # the same trial again
    assert len(best["out_of_fold"]["folds"]) == 2
    assert (other["number"], other["state"]) == (first["number"], "failed")
    assert "optim.lr: 7.0 there" in other["error"]
    size = settings(None, str(search / "best.toml")).image.size
    assert str(size) == second["settings"]["image.size"]
