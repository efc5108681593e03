"""The main job on real Ray under faults, in other environments, and on other data."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from maskcls.cluster.ray_internals import SWITCH
from maskcls.commands.ensemble import ensemble
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, UserError
from maskcls.store.folder import Folder
from maskcls.store.tables import read_table
from tests.conftest import Heard
from tests.end_to_end.job_factory import TINY, logits_of_run, maskcls, sets
from tests.object_store import new_bucket

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_files_in_another_order_folds_one_by_one_and_rays_public_interface_alone(
    finished: Path, drawn: Path, tmp_path: Path
) -> None:
    # None of the three may change a bit of the logits, so one run shows it of all.
    other = tmp_path / "data"
    for path in sorted((p for p in drawn.rglob("*") if p.is_file()), reverse=True):
        target = other / path.relative_to(drawn)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    lines = (other / "train/train.csv").read_text().splitlines()
    (other / "train/train.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    threads = json.loads((finished / "record.json").read_text())["plan"]["threads"]
    assert len(set(threads)) == 1
    one_by_one = sets("cluster.folds_at_once=1", f"cluster.threads={threads[0]}")
    environment = {**os.environ, SWITCH: "1"}
    run = tmp_path / "run"
    done = maskcls("train", str(other), "--run", str(run), *one_by_one, env=environment)
    assert done.returncode == 0, done.stderr
    assert f"{SWITCH}=1" in done.stderr  # what was left out is logged
    assert logits_of_run(run) == logits_of_run(finished)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ended_in_the_middle_the_same_command_gives_the_same_bytes(
    finished: Path, drawn: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    # Slow enough to be caught: a checkpoint after every step.
    words = ["train", str(drawn), "--run", str(run), *sets("train.checkpoint_s=0.001")]
    process = subprocess.Popen(
        [sys.executable, "-m", "maskcls", *words], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        # A shell that runs the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(run.glob("fold-0/checkpoints/epoch-*")) and time.monotonic() < until:
        time.sleep(0.02)
    if number == signal.SIGKILL:  # the whole group, as a machine that loses power
        os.killpg(process.pid, number)
        process.wait()
    else:
        # Held still, or it might train to its end before it is asked to stop. The second signal is
        # for the wait for its checkpoint.
        worker = psutil.Process(json.loads((run / "fold-0/progress.json").read_text())["pid"])
        worker.suspend()
        process.send_signal(number)
        attempt = run / "fold-0/attempt.json"
        while process.poll() is None and not json.loads(attempt.read_text())["stop"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == Exit.INTERRUPTED
        assert not (run / "fold-0/fold.json").exists()
        assert not worker.is_running()
        assert json.loads((run / "record.json").read_text())["starts"][0]["exit_code"] == 130
    assert list(run.glob("fold-0/checkpoints/epoch-*"))
    assert not (run / "metrics.json").exists()
    done = maskcls(*words)
    assert done.returncode == 0, done.stderr
    assert "resumes from checkpoint" in done.stderr
    assert logits_of_run(run) == logits_of_run(finished)


def test_sigterm_writes_a_checkpoint_within_the_epoch(drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # A network for which the first epoch's 21 steps take some 10 s; no checkpoint of its own is due.
    words = ["train", str(drawn), "--run", str(run),
             *sets("train.checkpoint_s=600", "train.batch_size=2", "train.epochs=2",
                   "model.backbone=resnet50", "image.size=192x192")]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "maskcls", *words], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    until, phases = time.monotonic() + 120, set[str]()
    while phases != {"training"} and time.monotonic() < until:
        time.sleep(0.05)
        beats = list(run.glob("fold-*/progress.json"))
        phases = (
            {json.loads(path.read_text())["phase"] for path in beats} if len(beats) == 2 else set()
        )
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=90)
    assert process.returncode == Exit.INTERRUPTED, err
    assert "stopping: 2 folds write a checkpoint first" in err
    for fold in range(2):
        assert not (run / f"fold-{fold}/history.jsonl").exists()
        assert list(run.glob(f"fold-{fold}/checkpoints/epoch-0000-step-*"))


def test_logits_that_were_deleted_are_written_again_without_training(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    trained = (run / "fold-1/history.jsonl").read_bytes()
    best = json.loads((run / "fold-1/fold.json").read_text())["best_epoch"]
    for name in ("oof.parquet", f"fold-1/held_out/epoch-{best:04}.parquet"):
        (run / name).unlink()
    done = train(str(drawn), str(run), resolve("smoke", None, TINY), heard)
    assert done.exit_code == Exit.GOOD
    assert any("fold-1: its logits are gone and are written again" in w for w in heard.warnings)
    assert (run / "fold-1/history.jsonl").read_bytes() == trained
    assert logits_of_run(run) == logits_of_run(finished)


def test_a_killed_and_a_hung_worker_are_retried_each_for_itself(
    finished: Path, drawn: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # A stopped process is a hung one: nothing tells so but its silence.
    lost = {0: signal.SIGKILL, 1: signal.SIGSTOP}
    words = ["train", str(drawn), "--run", str(run),
             *sets("train.checkpoint_s=0.001", "cluster.stall_s=30")]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "maskcls", *words], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    left, until = dict(lost), time.monotonic() + 120
    while left and time.monotonic() < until:
        for fold in list(left):
            if list(run.glob(f"fold-{fold}/checkpoints/epoch-*")):
                worker = json.loads((run / f"fold-{fold}/progress.json").read_text())["pid"]
                psutil.Process(worker).send_signal(left.pop(fold))
        time.sleep(0.02)
    assert not left
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    # Neither loss disturbs the other fold: each has one failure, of its own kind, and goes on once.
    for fold in lost:
        assert err.count(f"fold {fold} met an infrastructure failure") == 1
        assert err.count(f"fold {fold}: resumes from checkpoint") == 1
    (silent,) = (line for line in err.splitlines() if "reported nothing for" in line)
    assert "fold 1 has reported nothing for 30 s" in silent
    assert logits_of_run(run) == logits_of_run(finished)


def test_broken_images_in_a_bucket_are_named_and_never_lost(
    drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    """A run on an object store, of a data set with faults: one run shows both."""
    import shutil

    data = tmp_path / "data"
    shutil.copytree(drawn, data)
    images = sorted((data / "train/images").rglob("*.jpg"))
    images[3].write_bytes(images[3].read_bytes()[:200])
    images[8].write_bytes(b"<html>not a picture</html>")
    lost = sorted((data / "eval/images").iterdir())[0]
    lost.write_bytes(b"")
    with new_bucket() as bucket:
        there, run = bucket.take(data, "data").location, bucket.uri("run")
        done = train(there, run, resolve("smoke", None, [*TINY, "train.epochs=1"]), heard)
        assert done.exit_code == Exit.DEGRADED
        ended = ensemble([run], bucket.uri("out/s.csv"), heard)
        assert Folder.at(bucket.uri("out")).read_text("s.csv").count("\n") == 22
        oof = read_table(Folder.at(run), "oof.parquet")
        assert "secret" not in json.dumps(Folder.at(run).read_json("record.json"))
    assert any(images[8].name in w and "not a JPEG" in w for w in heard.warnings)
    assert len(oof) == 84
    assert oof["logits"].isna().sum() == oof["fault"].notna().sum() == 2
    assert done.metrics.oof.faults == done.metrics.train_faults == 2
    assert ended.exit_code == Exit.DEGRADED
    assert list(ended.provenance["fallback"]["images"]) == [lost.name]


def test_hold_outs_by_two_workers_each_and_no_eval_images(
    drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    """DDP, one fold per repeat, and a data set without eval: one run shows all."""
    import shutil

    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(drawn / "train", data / "train")
    sets = (
        "cluster.workers_per_fold=2", "folds.scheme=holdout", "folds.share=0.5", "folds.repeats=2",
        "train.epochs=1",
    )  # fmt: skip
    tiny = [text for text in TINY if not text.startswith("folds.count")]  # hold-outs have none
    done = train(str(data), str(run), resolve("smoke", None, [*tiny, *sets]), heard)
    assert done.exit_code == Exit.GOOD
    # Each repeat scores the people that it held out, and nobody else.
    oof, folds = (pd.read_parquet(run / f"{name}.parquet") for name in ("oof", "folds"))
    held_out = folds[folds["fold"] == 0].groupby("repeat")["group"].apply(set)
    assert len(held_out) == 2
    assert held_out[0] != held_out[1]
    for repeat in range(2):
        assert set(oof.loc[oof["repeat"] == repeat, "group"]) == held_out[repeat]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["oof"]["images"] == len(oof) == 2 * 7 * 6
    assert [f["repeat"] for f in metrics["folds"]] == [0, 1]
    assert len(metrics["repeats"]) == 2
    assert not (run / "eval.parquet").exists()
    with pytest.raises(UserError, match="without eval"):
        ensemble([str(run)], str(tmp_path / "s.csv"), heard)
