"""`ray job submit` to a real head: pipeline, ensemble, train, stop, submit again, refuse, watch."""

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from maskcls.cluster.reporter import NAMES
from tests.end_to_end.clusters import Cluster, cluster, last_line, until
from tests.end_to_end.job_factory import logits_of, sets

pytestmark = [pytest.mark.job, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]


EPOCHS = 25  # with SLOW, long enough for both folds' metrics to be exported
SLOW = "train.checkpoint_s=0.001"  # a checkpoint after every step, which does not change the result


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    root = tmp_path_factory.mktemp("head")
    with cluster(root, tmp_path_factory.getbasetemp()) as started:
        yield started


@dataclass(frozen=True)
class Whole:
    """What `maskcls submit --fetch ... pipeline` has left: run, submission, fetched files, output."""

    run: Path
    out: Path
    fetched: Path
    done: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def whole(head: Cluster, drawn: Path) -> Whole:
    """A run that one job has trained without an interruption, and its submission."""
    root = head.root / "whole"
    run, out, fetched = root / "run", root / "s.csv", root / "fetched"
    done = head.maskcls(
        "submit", "--fetch", str(fetched), "pipeline", str(drawn), "--run", str(run),
        "--out", str(out), *sets(f"train.epochs={EPOCHS}"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Whole(run, out, fetched, done)


def test_maskcls_submit_runs_the_pipeline_and_fetches(
    head: Cluster, drawn: Path, whole: Whole
) -> None:
    printed = whole.done.stdout
    assert last_line(printed) == "maskcls pipeline: exit code 0 (good)"
    assert "\x1b[2K" not in printed
    # One line for each fold and epoch, whatever Ray's deduplication thinks of them.
    for epoch in (1, EPOCHS):
        assert len(re.findall(rf"fold [01] epoch {epoch}/{EPOCHS} ", printed)) == 2
    assert (whole.fetched / "s.csv").read_bytes() == whole.out.read_bytes()
    assert json.loads((whole.fetched / "metrics.json").read_text())["oof"]["images"] == 84
    assert head.environment["RAY_AUTH_TOKEN"] not in printed + whole.done.stderr
    words = ["submit", "train", str(drawn), "--run", str(whole.run), "--set", "no.such=1"]
    refused = head.maskcls(*words)
    assert refused.returncode == 2, refused.stdout + refused.stderr


def test_ensemble_by_ray_job_submit_and_a_refused_train(
    head: Cluster, drawn: Path, whole: Whole, tmp_path: Path
) -> None:
    done = head.submit("ray_jobs.ensemble", str(whole.run), "--out", str(tmp_path / "s.csv"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(pd.read_csv(tmp_path / "s.csv")) == 21
    assert (tmp_path / "s.csv").read_bytes() == whole.out.read_bytes()
    # Something refused says so in the last line of its log; Ray's own exit code is always 1.
    words = [str(drawn), "--run", str(whole.run), *sets("optim.lr=7")]
    done = head.submit("ray_jobs.train", *words)
    assert done.returncode == 1
    assert last_line(done.stdout) == "maskcls train: exit code 2 (mistake)"


def test_stopped_and_submitted_again_it_gives_the_same_bytes(
    head: Cluster, drawn: Path, whole: Whole, tmp_path: Path
) -> None:
    words = ["ray_jobs.train", str(drawn), "--run"]
    epochs = sets(f"train.epochs={EPOCHS}", SLOW)
    run = tmp_path / "stopped"
    env = json.dumps({"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "60"}})
    options = ("--no-wait", "--submission-id", "first", "--runtime-env-json", env)
    assert head.submit(*words, str(run), *epochs, options=options).returncode == 0
    histories = [run / f"fold-{k}/history.jsonl" for k in range(2)]
    until(lambda: all(h.exists() for h in histories))

    # While it trains, it is seen in Ray's metrics, which the workers themselves export.
    names = set(NAMES) - {"maskcls_gpu_idle_share"}
    until(lambda: all(folds_of(name, run, head.exported()) == {"0", "1"} for name in names), 60)
    # Held still for the rest, or it might train to its end before it is asked to stop.
    beats = [json.loads((run / f"fold-{k}/progress.json").read_text()) for k in range(2)]
    workers = [psutil.Process(beat["pid"]) for beat in beats]
    for worker in workers:
        worker.suspend()
    # A second command on the run is refused, and names who has it.
    second = head.maskcls("train", str(drawn), "--run", str(run), *epochs)
    assert second.returncode == 2
    assert "another command (train, " in second.stderr
    assert "is working on this run" in second.stderr
    # It is seen from outside, with Ray's side beside it.
    told = head.maskcls("status", str(run), "--json")
    (status,) = json.loads(told.stdout)
    assert {fold["phase"] for fold in status["folds"]} <= {"training", "predicting"}
    assert {worker["state"] for worker in status["workers"]} == {"ALIVE"}
    assert all(worker["log"].endswith(".out") for worker in status["workers"])

    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(head.job, "stop", "first")
        attempts = [run / f"fold-{k}/attempt.json" for k in range(2)]
        until(lambda: all(json.loads(a.read_text())["stop"] for a in attempts), 60)
        for worker in workers:
            worker.resume()
        stopped = stopping.result()
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert (
        last_line(head.job("logs", "first").stdout) == "maskcls train: exit code 130 (interrupted)"
    )
    for history in histories:
        assert len(history.read_text().splitlines()) < EPOCHS
    again = head.submit(*words, str(run), *epochs, options=("--submission-id", "second"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert last_line(again.stdout) == "maskcls train: exit code 0 (good)"
    assert "resumes from checkpoint" in again.stdout
    assert logits_of(run / "oof.parquet") == logits_of(whole.run / "oof.parquet")


def test_a_wrong_token_is_one_sentence(head: Cluster, drawn: Path, tmp_path: Path) -> None:
    environment = dict(head.environment)
    head.environment["RAY_AUTH_TOKEN"] = "0" * 64
    try:
        done = head.maskcls("submit", "train", str(drawn), "--run", str(tmp_path / "run"))
    finally:
        head.environment.update(environment)
    assert done.returncode == 2
    assert "the token found here is not the cluster's" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def folds_of(name: str, run: Path, exported: str) -> set[str]:
    """Folds of the run that a metric was exported for."""
    lines = re.findall(rf"^ray_{name}\{{.*\}} .*$", exported, re.MULTILINE)
    mine = [line for line in lines if f'run="{run}"' in line]
    return {found[1] for line in mine if (found := re.search(r'fold="(\d)"', line))}
