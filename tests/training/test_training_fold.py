"""A fold that was stopped anywhere and started again ends as if it had never been stopped."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fold_factory import (
    FAULTY_ROW,
    NUM_EVAL,
    NUM_STEPS,
    KillAt,
    Killed,
    Notes,
    TinyRun,
    assert_same,
    timeless,
)

from maskcls.core.errors import UserError
from maskcls.core.tally import Tally
from maskcls.core.task import MetricName
from maskcls.store.tables import read_arrow, read_table, write_table
from maskcls.training import checkpoint, evaluate, fold
from maskcls.training.fold import run_fold
from maskcls.training.loop import TrainingDiverged
from maskcls.training.rank import Alone
from tests.tasks import MASK

pytestmark = pytest.mark.usefixtures("random_network")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A fold that was never stopped."""
    run = TinyRun.write(tmp_path_factory.mktemp("whole"))
    run_fold(run.job, Alone(), Notes())
    return run


def test_two_runs_are_equal(whole: TinyRun, fold_factory: TinyRun) -> None:
    run_fold(fold_factory.job, Alone(), Notes())
    assert_same(fold_factory, whole)


@pytest.mark.parametrize(
    ("epoch", "step"),
    [(0, 1), (0, 2), (0, NUM_STEPS), (0, 0), (1, 1), (1, 2), (1, NUM_STEPS), (1, 0)],
)
def test_stopped_once_ends_the_same(
    whole: TinyRun, fold_factory: TinyRun, epoch: int, step: int
) -> None:
    with pytest.raises(Killed):
        run_fold(fold_factory.job, Alone(), KillAt(epoch=epoch, step=step))
    notes = Notes()
    run_fold(fold_factory.job, Alone(), notes)
    assert_same(fold_factory, whole)
    # All but the first update of all left a checkpoint behind.
    assert bool(notes.said) == ((epoch, step) != (0, 1))


def test_stopped_after_every_update_ends_the_same(whole: TinyRun, fold_factory: TinyRun) -> None:
    for epoch in range(2):
        for step in range(2, NUM_STEPS + 1):
            with pytest.raises(Killed):
                run_fold(fold_factory.job, Alone(), KillAt(epoch=epoch, step=step))
    run_fold(fold_factory.job, Alone(), Notes())
    assert_same(fold_factory, whole)


def test_damage_to_the_newest_checkpoint_changes_nothing(
    whole: TinyRun, fold_factory: TinyRun
) -> None:
    with pytest.raises(Killed):
        run_fold(fold_factory.job, Alone(), KillAt(epoch=1, step=0))
    damaged = fold_factory.checkpoints.local_path / "epoch-0002" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    notes = Notes()
    run_fold(fold_factory.job, Alone(), notes)
    assert "epoch-0002 is damaged (model.safetensors has" in notes.said[0]
    assert_same(fold_factory, whole)


def test_damaged_best_checkpoint_is_refused(
    fold_factory: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter((0.9, 0.1))  # else the best might be the newest, and be skipped
    monkeypatch.setattr(fold, "score_of", lambda metric, values: next(scores))
    with pytest.raises(Killed):
        run_fold(fold_factory.job, Alone(), KillAt(epoch=1, step=0))
    model = fold_factory.checkpoints.local_path / "epoch-0001" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(UserError, match=r"epoch-0001: the checkpoint is damaged .*checksum"):
        run_fold(fold_factory.job, Alone(), Notes())


def test_kill_between_checkpoint_and_history_loses_no_line(fold_factory: TinyRun) -> None:
    with pytest.raises(Killed):
        run_fold(fold_factory.job, Alone(), KillAt(epoch=1, step=0))
    Path(fold_factory.folder.location, "fold-0", "history.jsonl").unlink()
    run_fold(fold_factory.job, Alone(), Notes())
    assert [e["epoch"] for e in timeless(fold_factory.read("history.jsonl"))] == [1, 2]


def test_what_a_killed_attempt_left_half_written_goes(fold_factory: TinyRun) -> None:
    left = fold_factory.checkpoints.staging("epoch-0001")
    run_fold(fold_factory.job, Alone(), Notes())
    assert not left.exists()


def test_results_hold_every_sound_row_once(whole: TinyRun) -> None:
    done = whole.files.result()
    assert done is not None
    for epoch in (1, 2):
        rows, logits = whole.logits(whole.files.held_out_name(epoch))
        assert len(rows) == len(np.unique(rows)) == done.images.held_out
        assert FAULTY_ROW not in rows
        assert logits.shape == (len(rows), 18)
    eval_rows, eval_logits = whole.logits("eval_logits.parquet")
    assert eval_rows.tolist() == list(range(1, NUM_EVAL))
    assert np.isfinite(eval_logits).all()


def test_history_counts_images_and_rates(whole: TinyRun) -> None:
    history = [json.loads(line) for line in whole.read("history.jsonl").splitlines()]
    assert [e["lr"] for e in history] == [1e-3, pytest.approx(0.794e-3)]
    done = whole.files.result()
    assert done is not None
    assert {e["images"] for e in history} == {done.images.train}
    assert done.score == max(e["score"] for e in history)
    best = history[done.best_epoch - 1]
    assert done.metrics == best["metrics"]
    assert list(best["metrics"]) == ["macro_f1", "accuracy"]
    assert best["score"] == best["metrics"]["macro_f1"]


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_the_task_says_by_what_epochs_are_ranked(fold_factory: TinyRun, metric: MetricName) -> None:
    job = replace(fold_factory.job, task=replace(MASK, metric=metric))
    done = run_fold(job, Alone(), Notes())
    history = fold_factory.files.history()
    values = [entry.metrics[metric] for entry in history]
    best = min(values) if metric == "log_loss" else max(values)
    assert done.best_epoch == 1 + values.index(best)
    assert done.score == (-best if metric == "log_loss" else best)
    # As computed from the logits that were written.
    rows, logits = fold_factory.logits(fold_factory.files.held_out_name(done.best_epoch))
    labels = read_arrow(fold_factory.folder, "table.parquet")["label"].to_numpy()[rows]
    assert Tally.of(job.task, labels, logits).values() == done.metrics


def test_where_the_metric_is_not_defined_the_last_epoch_counts_and_it_is_said_once(
    fold_factory: TinyRun,
) -> None:
    table = read_table(fold_factory.folder, "table.parquet")
    table["label"] = np.full(len(table), 4, np.int8)
    write_table(fold_factory.folder, "table.parquet", table)
    task = replace(MASK, metric="auc")
    job = replace(fold_factory.with_config("train", epochs=3, patience=1), task=task)
    notes = Notes()
    done = run_fold(job, Alone(), notes)
    assert (done.score, done.best_epoch, done.epochs) == (None, 3, 3)
    assert list(done.metrics) == ["accuracy", "macro_f1"]
    assert notes.said == [
        "all images of the validation fold are worn, female, 30-59, so that its AUC is not defined:"
        " the last epoch counts"
    ]


def test_every_step_is_reported_to_the_watcher(fold_factory: TinyRun) -> None:
    notes = Notes()
    run_fold(fold_factory.job, Alone(), notes)
    assert [s[:3] for s in notes.steps] == [
        (epoch, step, NUM_STEPS) for epoch in range(2) for step in range(1, NUM_STEPS + 1)
    ]
    assert len(notes.epochs) == 2


def test_a_loss_that_is_nan_or_inf_is_an_error_and_leaves_no_checkpoint(
    fold_factory: TinyRun,
) -> None:
    job = fold_factory.with_config("optim", name="sgd", lr=1e30)
    with pytest.raises(TrainingDiverged, match=r"became (nan|inf) in epoch 1; lower optim\.lr"):
        run_fold(job, Alone(), Notes())
    for entry in fold_factory.checkpoints.list():
        state = checkpoint.read_state(fold_factory.checkpoints, entry.name)
        assert state["epochs_done"] == 0


def test_eval_logits_that_are_nan_or_inf_are_an_error_and_the_fold_is_not_done(
    fold_factory: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = evaluate.predict

    def predict(model: Any, feed: Any, rows: Any, *more: Any) -> Any:
        logits = real(model, feed, rows, *more)
        if rows.tolist() == list(range(1, NUM_EVAL)):  # the eval images, less the faulty one
            logits[2, 5] = np.inf
        return logits

    monkeypatch.setattr(evaluate, "predict", predict)
    with pytest.raises(TrainingDiverged, match=r"^the eval logits became inf in epoch \d; lower"):
        run_fold(fold_factory.job, Alone(), Notes())
    assert fold_factory.files.result() is None
    monkeypatch.undo()
    run_fold(fold_factory.job, Alone(), Notes())
    assert fold_factory.files.result() is not None


def test_a_fold_without_an_image_on_one_side_is_refused(fold_factory: TinyRun) -> None:
    job = fold_factory.with_config("folds", count=20)
    object.__setattr__(job, "fold", 9)
    with pytest.raises(UserError, match="fold 9: no image"):
        run_fold(job, Alone(), Notes())


def test_lost_pixels_are_named(fold_factory: TinyRun) -> None:
    (fold_factory.job.pixels.folder / "pixels.u8").unlink()
    with pytest.raises(RuntimeError, match="pixels are missing or damaged; run again"):
        run_fold(fold_factory.job, Alone(), Notes())
