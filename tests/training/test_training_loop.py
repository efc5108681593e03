"""Batches that a network can train on, when something is due, and values that end a training.

Networks that cannot train on one image get no batch, pass or share of one.
"""

from pathlib import Path

import numpy as np
import pytest
from fold_factory import NUM_EVAL, Notes, TinyRun

from maskcls.core.errors import UserError
from maskcls.training import loop
from maskcls.training.building import build_learner
from maskcls.training.fold import run_fold
from maskcls.training.fold_data import read_fold_data
from maskcls.training.loop import Interval, TrainingDiverged, require_finite
from maskcls.training.rank import Alone

ONE_EPOCH = ("train.epochs=1", "train.checkpoint_s=600")


class Two(Alone):
    """What a worker of two sees of the batches' division."""

    world = 2


@pytest.mark.parametrize(
    "sets",
    [
        ("train.batch_size=2",),
        ("train.batch_size=8", "train.micro_batch_size=2"),
        ("train.batch_size=2", "optim.swa_epochs=1"),
        ("train.batch_size=2", "optim.name=sam"),
    ],
    ids=" ".join,
)
def test_an_odd_number_of_rows_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[str, ...]
) -> None:
    run = TinyRun.write(tmp_path, [*ONE_EPOCH, *sets])  # 32x32: a last map of 1x1
    sizes: list[int] = []
    forward = loop.ForwardContext.forward

    def noted(self: loop.ForwardContext, model: object, pixels: np.ndarray) -> object:
        sizes.append(len(pixels))
        return forward(self, model, pixels)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.ForwardContext, "forward", noted)
    notes = Notes()
    run_fold(run.job, Alone(), notes)
    num_rows = notes.epochs[0].images
    assert num_rows % 2 == 1
    assert 3 in sizes
    done = run.files.result()
    assert done is not None
    assert done.images.train == num_rows
    assert len(run.logits("eval_logits.parquet")[0]) == NUM_EVAL - 1


def test_batches_of_two_stay_where_one_image_can_be_trained_on(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, [*ONE_EPOCH, "train.batch_size=2", "image.size=64x64"])
    notes = Notes()
    run_fold(run.job, Alone(), notes)
    num_rows, num_steps = notes.epochs[0].images, notes.steps[0][2]
    assert num_steps == -(-num_rows // 2)


def learner_of(run: TinyRun) -> loop.Learner:
    return build_learner(run.job, read_fold_data(run.job), Two(), pretrained=True).learner


def test_no_workers_share_is_a_single_row(tmp_path: Path) -> None:
    sets = ("train.batch_size=4", "cluster.workers_per_fold=2")
    learner = learner_of(TinyRun.write(tmp_path / "a", [*ONE_EPOCH, *sets]))
    assert [len(b) for b in learner.batches(np.arange(9), 4)] == [5, 4]
    plain = learner_of(TinyRun.write(tmp_path / "b", [*ONE_EPOCH, *sets, "image.size=64x64"]))
    assert [len(b) for b in plain.batches(np.arange(9), 4)] == [3, 3, 3]


def test_too_few_rows_are_one_sentence(tmp_path: Path) -> None:
    sets = ("train.batch_size=4", "cluster.workers_per_fold=2")
    learner = learner_of(TinyRun.write(tmp_path, [*ONE_EPOCH, *sets]))
    with pytest.raises(
        UserError, match=r"^an epoch has 3 rows, and .* needs 2 for each of 2 workers"
    ):
        learner.batches(np.arange(3), 4)


def test_an_interval_is_due_once_per_period(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 104.0, 105.0, 106.0, 111.0))
    monkeypatch.setattr("maskcls.training.loop.time.monotonic", lambda: next(clock))
    due = Interval(5)
    assert [due.passed() for _ in range(4)] == [False, True, False, True]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_values_that_are_nan_or_inf_are_an_error_with_the_epoch(wrong: float) -> None:
    require_finite("loss", np.array([1.0, 2.0]), 0)
    with pytest.raises(
        TrainingDiverged, match=f"the loss became {wrong} in epoch 3; lower optim.lr"
    ):
        require_finite("loss", np.array([1.0, wrong]), 2)
