"""With train.keep=last the last epoch's network, logits and score are a fold's result, however bad."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fold_factory import FAULTY_ROW, KillAt, Killed, Notes, TinyRun, assert_same

from maskcls.core.history import best_of
from maskcls.core.metrics import Values
from maskcls.evaluation.out_of_fold import write_out_of_fold
from maskcls.store.run import Run
from maskcls.store.tables import logits_of, read_arrow
from maskcls.training.fold import _FoldTraining, run_fold
from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone
from tests.tasks import MASK

pytestmark = pytest.mark.usefixtures("random_network")

EPOCHS = 4
LAST = ("train.keep=last", f"train.epochs={EPOCHS}", "train.checkpoint_s=600")


@pytest.fixture(autouse=True)
def the_first_epoch_is_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that fall, so that the best and the last epoch are never the same by chance."""

    def metrics(training: _FoldTraining, logits: np.ndarray) -> Values:
        return {"macro_f1": 0.9 - 0.1 * len(training.snapshot.history), "accuracy": 0.5}

    monkeypatch.setattr(_FoldTraining, "_metrics", metrics)


def predicted_by(run: TinyRun, name: str) -> np.ndarray:
    """The eval logits of a checkpoint's network [M, K]."""
    assert run.job.eval_pixels is not None
    job = PredictJob(run.checkpoints.location, name, run.job.eval_pixels, "cpu", 1)
    return predict_images(job)[1]


@pytest.mark.parametrize("sets", [(), ("optim.ema=0.9",), ("optim.swa_epochs=2",)], ids=str)
def test_network_logits_and_score_are_those_of_the_last_epoch(
    tmp_path: Path, sets: tuple[str, ...]
) -> None:
    run = TinyRun.write(tmp_path, [*LAST, *sets])
    done = run_fold(run.job, Alone(), Notes())
    history = run.files.history()
    best = best_of(history)
    assert best is not None
    assert best.epoch == 1
    assert (done.best_epoch, done.checkpoint) == (EPOCHS, f"epoch-{EPOCHS:04d}")
    assert (done.score, done.metrics) == (history[-1].score, history[-1].metrics)
    assert done.score == pytest.approx(0.6)
    assert run.files.result() == done
    assert done.keep == "last"
    stored = run.logits("eval_logits.parquet")[1]
    assert np.array_equal(predicted_by(run, done.checkpoint), stored)
    assert not np.allclose(predicted_by(run, "epoch-0001"), stored)
    assert run.files.state(EPOCHS, None, keep="last").keep == "last"


def test_with_best_the_same_fold_keeps_its_first_epoch(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, [*LAST, "train.keep=best"])
    done = run_fold(run.job, Alone(), Notes())
    assert (done.best_epoch, done.keep) == (1, "best")
    stored = run.logits("eval_logits.parquet")[1]
    assert np.array_equal(predicted_by(run, "epoch-0001"), stored)


def test_patience_still_counts_from_the_best_epoch_and_the_last_trained_one_is_kept(
    tmp_path: Path,
) -> None:
    run = TinyRun.write(tmp_path, [*LAST, "train.patience=2"])
    done = run_fold(run.job, Alone(), Notes())
    assert (done.epochs, done.best_epoch, done.checkpoint) == (3, 3, "epoch-0003")


@pytest.mark.parametrize("sets", [(), ("optim.ema=0.9",)], ids=str)
def test_a_killed_fold_resumes_to_the_same_last_epoch(
    tmp_path: Path, sets: tuple[str, ...]
) -> None:
    whole = TinyRun.write(tmp_path / "whole", [*LAST, *sets])
    run_fold(whole.job, Alone(), Notes())
    killed = TinyRun.write(tmp_path / "killed", [*LAST, *sets])
    with pytest.raises(Killed):
        run_fold(killed.job, Alone(), KillAt(epoch=EPOCHS - 1, step=1))
    run_fold(killed.job, Alone(), Notes())
    assert_same(killed, whole)


def test_deleted_logits_of_the_last_epoch_are_predicted_again(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, LAST)
    done = run_fold(run.job, Alone(), Notes())
    name = run.files.held_out_name(EPOCHS)
    before = run.read(name)
    run.files.folder.delete(run.files.held_out_name(1))
    assert run.files.has_logits(done, with_eval=True)  # the best epoch's are not the result's
    run.files.folder.delete(name)
    assert not run.files.has_logits(done, with_eval=True)
    run.files.forget_result()
    notes = Notes()
    assert run_fold(run.job, Alone(), notes).best_epoch == EPOCHS
    assert notes.steps == []
    assert run.read(name) == before


def test_the_out_of_fold_table_has_the_last_epochs_logits(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, LAST)
    results = [run_fold(replace(run.job, fold=fold), Alone(), Notes()) for fold in (0, 1)]
    files = Run(run.folder)
    files.write_config(run.job.config)
    files.write_task(MASK)
    write_out_of_fold(files, results, {FAULTY_ROW: "the file is empty"})
    table = read_arrow(run.folder, "oof.parquet")
    logits, valid = logits_of(table["logits"], MASK.num_classes)
    of_fold = table["fold"].to_numpy()
    for fold in (0, 1):
        kept = read_arrow(files.fold(fold).folder, files.fold(fold).held_out_name(EPOCHS))
        expected = logits_of(kept["logits"], MASK.num_classes)[0]
        assert np.array_equal(logits[(of_fold == fold) & valid], expected)
