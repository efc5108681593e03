"""The main job on real Ray: five commands a user types, and what may go wrong in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.metrics import f1_score

from maskcls.cluster.ray_internals import SWITCH
from maskcls.cluster.session import LOCAL_ENVIRONMENT
from maskcls.commands.ensemble import ensemble
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.store.paths import Folder
from tests.conftest import Heard
from tests.object_store import new_bucket

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TINY = [
    "model.backbone=test_resnet", "image.size=32x32", "train.batch_size=32", "folds.count=2",
    "cluster.dashboard=false",
]  # fmt: skip


def maskcls(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """A command line, as a user would type it."""
    command = [sys.executable, "-m", "maskcls", *words]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, capture_output=True, text=True, timeout=280, stdin=subprocess.DEVNULL, **options
    )


def sets(*texts: str) -> list[str]:
    """--preset smoke with the tiny settings and others, as words of a command line."""
    return ["--preset", "smoke", *(w for t in (*TINY, *texts) for w in ("--set", t))]


@pytest.fixture(scope="module")
def finished(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two folds; threads and cache are its own."""
    folder = tmp_path_factory.mktemp("finished")
    environment = {**os.environ, "MASKCLS_CACHE": str(folder / "cache")}
    done = maskcls("train", str(drawn), "--run", str(folder / "run"), *sets(), env=environment)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert "fold 1 epoch 2/2" in done.stderr
    return folder / "run"


def logits_of(run: Path) -> bytes:
    """All logits of a run, in a fixed order."""
    oof = pd.read_parquet(run / "oof.parquet").sort_values("path")
    evals = pd.read_parquet(run / "eval.parquet").sort_values(["ImageID", "fold"])
    return np.stack([*oof["logits"], *evals["logits"]]).tobytes()


def test_every_image_is_held_out_once_and_the_metrics_are_scikit_learns(finished: Path) -> None:
    oof = pd.read_parquet(finished / "oof.parquet")
    folds = pd.read_parquet(finished / "folds.parquet").set_index("person")["fold"]
    assert len(oof) == 84
    assert oof["path"].is_unique
    assert (oof["fold"] == oof["person"].map(folds)).all()
    predicted = np.stack(oof["logits"].to_list()).argmax(1)
    metrics = json.loads((finished / "metrics.json").read_text())
    expected = f1_score(oof["label"], predicted, average="macro", labels=range(18), zero_division=0)
    assert metrics["oof"]["macro_f1"] == pytest.approx(expected)


def test_the_submission_is_the_mean_of_the_folds_in_info_csvs_order(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    done = ensemble([str(finished)], str(tmp_path / "s.csv"), heard)
    assert done.exit_code == Exit.GOOD
    submission = pd.read_csv(tmp_path / "s.csv")
    info = pd.read_csv(drawn / "eval/info.csv")
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    evals = pd.read_parquet(finished / "eval.parquet")
    mean = evals.groupby("ImageID")["logits"].apply(
        lambda s: np.stack(s.to_list()).mean(0).argmax()
    )
    assert submission["ans"].tolist() == [mean[name] for name in info["ImageID"]]
    provenance = json.loads((tmp_path / "s.csv.provenance.json").read_text())
    assert len(provenance["members"]) == 2
    assert all(f["model_sha256"] for f in provenance["runs"][0]["folds"])


def test_a_missing_fold_is_refused_unless_allowed_and_then_said(
    finished: Path, tmp_path: Path, heard: Heard
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(UserError, match="same network as"):
        ensemble([str(finished), str(run)], str(tmp_path / "s.csv"), heard)
    (run / "fold-1/fold.json").unlink()
    with pytest.raises(UserError, match="fold 1 of 2 is not done"):
        ensemble([str(run)], str(tmp_path / "s.csv"), heard)
    done = ensemble([str(run)], str(tmp_path / "s.csv"), heard, allow_missing_folds=True)
    assert done.exit_code == Exit.DEGRADED
    assert done.provenance["runs"][0]["missing_folds"] == [1]
    assert len(done.provenance["members"]) == 1


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_predict_gives_the_ensembles_answers(
    finished: Path, drawn: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "p.csv"
    # info.csv is a CSV of images, too: its ImageIDs lie in the folder images beside it.
    images = drawn / ("eval/images" if kind == "folder" else "eval/info.csv")
    done = maskcls("predict", str(finished), str(images), "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(out).set_index("path")
    if kind == "csv":
        assert found.index.tolist() == pd.read_csv(images)["ImageID"].tolist()
    evals = pd.read_parquet(finished / "eval.parquet")
    mean = evals.groupby("ImageID")["logits"].apply(
        lambda s: np.stack(s.to_list()).mean(0).argmax()
    )
    assert {name: found.loc[name, "ans"] for name in mean.index} == mean.to_dict()
    assert np.allclose(found[[f"p{k}" for k in range(18)]].sum(axis=1), 1, atol=1e-4)


def test_files_in_another_order_and_folds_one_by_one_give_the_same_bytes(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    other = tmp_path / "data"
    for path in sorted((p for p in drawn.rglob("*") if p.is_file()), reverse=True):
        target = other / path.relative_to(drawn)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    lines = (other / "train/train.csv").read_text().splitlines()
    (other / "train/train.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    threads = json.loads((finished / "record.json").read_text())["plan"]["threads"]
    assert len(set(threads)) == 1
    one_by_one = [*TINY, "cluster.folds_at_once=1", f"cluster.threads={threads[0]}"]
    run = tmp_path / "run"
    train(str(other), str(run), resolve("smoke", None, one_by_one), heard)
    assert logits_of(run) == logits_of(finished)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
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
        process.send_signal(number)
        assert process.wait(60) == Exit.INTERRUPTED
        assert json.loads((run / "record.json").read_text())["starts"][0]["exit_code"] == 130
    assert list(run.glob("fold-0/checkpoints/epoch-*"))
    assert not (run / "metrics.json").exists()
    done = maskcls(*words)
    assert done.returncode == 0, done.stderr
    assert "resumes from checkpoint" in done.stderr
    assert logits_of(run) == logits_of(finished)


def test_a_finished_run_trains_nothing_and_other_settings_or_data_are_refused(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.safetensors")}
    done = train(str(drawn), str(finished), resolve("smoke", None, TINY), heard)
    assert done.exit_code == Exit.GOOD
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*.safetensors")} == before
    with pytest.raises(UserError, match=r"optim\.lr: 0\.001 there, 0\.5 now"):
        train(str(drawn), str(finished), resolve("smoke", None, [*TINY, "optim.lr=0.5"]), heard)
    import shutil

    changed = tmp_path / "changed"
    shutil.copytree(drawn, changed)
    image = next((changed / "train/images").rglob("normal.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"other data.*fingerprint"):
        train(str(changed), str(finished), resolve("smoke", None, TINY), heard)


@pytest.mark.parametrize("which", ["checkpoint", "epochs"])
def test_logits_that_nothing_can_make_again_are_told_and_nothing_is_deleted(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard, which: str
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "fold-1/eval_logits.parquet").unlink()
    before = (run / "fold-1/fold.json").read_bytes()
    done = json.loads(before)
    # Without the last one, epochs would be trained again.
    name = {"checkpoint": done["checkpoint"], "epochs": f"epoch-{done['epochs']:04d}"}[which]
    shutil.rmtree(run / "fold-1/checkpoints" / name)
    with pytest.raises(
        UserError, match=rf"fold-1: its logits are gone, and checkpoint {name}, which"
    ):
        train(str(drawn), str(run), resolve("smoke", None, TINY), heard)
    assert (run / "fold-1/fold.json").read_bytes() == before


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
    assert logits_of(run) == logits_of(finished)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_worker_is_retried_and_does_not_disturb_the_other_fold(
    finished: Path, drawn: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    # A stopped process is a hung one: nothing tells so but its silence.
    words = ["train", str(drawn), "--run", str(run),
             *sets("train.checkpoint_s=0.001", "cluster.stall_s=30")]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "maskcls", *words], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    until, killed = time.monotonic() + 120, None
    while killed is None and time.monotonic() < until:
        if list(run.glob("fold-0/checkpoints/epoch-*")):
            killed = json.loads((run / "fold-0/progress.json").read_text())["pid"]
        time.sleep(0.02)
    assert killed is not None
    psutil.Process(killed).send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "fold 0 met an infrastructure failure" in err
    assert ("reported nothing for" in err) == (number == signal.SIGSTOP)
    assert err.count("fold 0: resumes from checkpoint") == 1
    assert "fold 1 met" not in err
    assert logits_of(run) == logits_of(finished)


def test_an_error_in_training_is_not_retried_and_the_others_are_finished(
    drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    # The loss overflows at once; that would come again, so nothing is tried twice.
    config = resolve("smoke", None, [*TINY, "optim.lr=1e30", "optim.name=sgd"])
    with pytest.raises(RunFailed, match=r"fold 0 failed: TrainingDiverged.*\n?.*fold 1 failed"):
        train(str(drawn), str(tmp_path / "run"), config, heard)
    assert not any("attempt" in w for w in heard.warnings)
    record = json.loads((tmp_path / "run/record.json").read_text())
    assert record["starts"][0]["exit_code"] == 1


def test_broken_images_are_named_and_never_lost(drawn: Path, tmp_path: Path, heard: Heard) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(drawn, data)
    images = sorted((data / "train/images").rglob("*.jpg"))
    images[3].write_bytes(images[3].read_bytes()[:200])
    images[8].write_bytes(b"<html>not a picture</html>")
    lost = sorted((data / "eval/images").iterdir())[0]
    lost.write_bytes(b"")
    run = tmp_path / "run"
    config = resolve("smoke", None, [*TINY, "train.epochs=1"])
    done = train(str(data), str(run), config, heard)
    assert done.exit_code == Exit.DEGRADED
    assert any(images[8].name in w and "neither a JPEG" in w for w in heard.warnings)
    oof = pd.read_parquet(run / "oof.parquet")
    assert len(oof) == 84
    assert oof["logits"].isna().sum() == oof["fault"].notna().sum() == 2
    assert done.metrics.oof.faults == done.metrics.train_faults == 2
    ended = ensemble([str(run)], str(tmp_path / "s.csv"), heard)
    assert ended.exit_code == Exit.DEGRADED
    assert list(ended.provenance["fallback"]["images"]) == [lost.name]
    assert len(pd.read_csv(tmp_path / "s.csv")) == 21


def test_the_public_interface_of_ray_alone_gives_the_same_logits(
    finished: Path, drawn: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, SWITCH: "1"}
    run = tmp_path / "run"
    done = maskcls("train", str(drawn), "--run", str(run), *sets(), env=environment)
    assert done.returncode == 0, done.stderr
    assert logits_of(run) == logits_of(finished)


def test_ddp_with_two_workers_a_fold(drawn: Path, tmp_path: Path, heard: Heard) -> None:
    config = resolve("smoke", None, [*TINY, "cluster.workers_per_fold=2", "train.epochs=1"])
    done = train(str(drawn), str(tmp_path / "run"), config, heard)
    assert done.exit_code == Exit.GOOD
    assert len(pd.read_parquet(tmp_path / "run/oof.parquet")) == 84


def test_all_sockets_of_a_local_run_are_on_loopback(tmp_path: Path) -> None:
    program = """
import json, os, pathlib, psutil, sys
from maskcls.cluster.session import ray_session
from tests.conftest import Heard
with ray_session(pathlib.Path(sys.argv[1]), True, Heard()) as session:
    session.ray.get(session.ray.remote(lambda: 1).remote())
    mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [c.laddr.ip for p in mine for c in p.net_connections("inet") if c.status == "LISTEN"]
    print(json.dumps(found))
"""
    # As a user's shell has it: the session itself must set what keeps the sockets in.
    env = {name: value for name, value in os.environ.items() if name not in LOCAL_ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2], env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 5
    assert set(found) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_data_set_without_eval_trains_and_has_no_part_in_an_ensemble(
    drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    import shutil

    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(drawn / "train", data / "train")
    done = train(str(data), str(run), resolve("smoke", None, [*TINY, "train.epochs=1"]), heard)
    assert done.exit_code == Exit.GOOD
    assert not (run / "eval.parquet").exists()
    with pytest.raises(UserError, match="without eval"):
        ensemble([str(run)], str(tmp_path / "s.csv"), heard)


def test_a_run_on_an_object_store(drawn: Path, heard: Heard) -> None:
    with new_bucket() as bucket:
        data, run = bucket.take(drawn, "data").location, bucket.uri("run")
        config = resolve("smoke", None, [*TINY, "train.epochs=1"])
        done = train(data, run, config, heard)
        assert done.exit_code == Exit.GOOD
        assert ensemble([run], bucket.uri("out/s.csv"), heard).exit_code == Exit.GOOD
        assert Folder.at(bucket.uri("out")).read_text("s.csv").count("\n") == 22
        assert "secret" not in json.dumps(Folder.at(run).read_json("record.json"))
