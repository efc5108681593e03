"""A fold that is asked to stop writes a checkpoint and ends; resumed, it is bit-identical."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from fold_factory import NUM_STEPS, Notes, TinyRun, assert_same

from maskcls.core.errors import Stopped
from maskcls.core.history import EpochEntry
from maskcls.store import manifest
from maskcls.training import fold
from maskcls.training.fold import run_fold
from maskcls.training.rank import Alone

pytestmark = pytest.mark.usefixtures("random_network")

RARELY = "train.checkpoint_s=600"
"""So that only the request makes a checkpoint within an epoch."""


@dataclass
class RequestAt(Notes):
    """A Watcher whose driver asks for a stop from a step on, or from an epoch's end (step 0)."""

    epoch: int = 0
    step: int = 0
    requested: bool = False

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        super().step_done(epoch, step, num_steps, images)
        self.requested |= (epoch, step) == (self.epoch, self.step)

    def epoch_done(self, entry: EpochEntry) -> None:
        super().epoch_done(entry)
        self.requested |= (entry.epoch - 1, 0) == (self.epoch, self.step)

    def stop_requested(self) -> bool:
        return self.requested


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A fold that was never stopped."""
    run = TinyRun.write(tmp_path_factory.mktemp("whole"), [RARELY])
    run_fold(run.job, Alone(), Notes())
    return run


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return TinyRun.write(tmp_path, [RARELY])


@pytest.mark.parametrize(
    ("epoch", "step", "name"),
    [
        (0, 1, "epoch-0000-step-000001"),
        (0, 2, "epoch-0000-step-000002"),
        (0, NUM_STEPS, "epoch-0001"),  # after an epoch's last step its own checkpoint follows
        (0, 0, "epoch-0001"),
        (1, 1, "epoch-0001-step-000001"),
        (1, 2, "epoch-0001-step-000002"),
    ],
)
def test_it_stops_at_once_with_a_checkpoint_and_resumes_bit_identical(
    whole: TinyRun, run: TinyRun, epoch: int, step: int, name: str
) -> None:
    watcher = RequestAt(epoch=epoch, step=step)
    with pytest.raises(Stopped, match=f"^fold 0 stopped after checkpoint {name}$"):
        run_fold(run.job, Alone(), watcher)
    assert watcher.steps[-1][:2] == (epoch, step or NUM_STEPS)  # no step more
    assert manifest.why_invalid(run.checkpoints, name) is None
    assert run.checkpoints.list()[-1].name == name
    assert not run.files.is_done
    notes = Notes()
    run_fold(run.job, Alone(), notes)
    assert notes.said == [f"resumes from checkpoint {name}"]
    assert_same(run, whole)


@pytest.mark.parametrize("step", [NUM_STEPS, 0])
def test_after_the_last_step_the_fold_finishes_instead(
    whole: TinyRun, run: TinyRun, step: int
) -> None:
    watcher = RequestAt(epoch=1, step=step)
    run_fold(run.job, Alone(), watcher)
    assert watcher.requested
    assert_same(run, whole)


def test_after_the_epoch_that_ends_a_fold_early_it_finishes_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter((0.9, 0.1))
    monkeypatch.setattr(fold, "score_of", lambda metric, values: next(scores))
    run = TinyRun.write(tmp_path, [RARELY, "train.epochs=9", "train.patience=1"])
    watcher = RequestAt(epoch=1, step=0)  # the second epoch is not better than the first
    assert run_fold(run.job, Alone(), watcher).epochs == 2
    assert watcher.requested


def test_stopped_again_and_again_it_is_still_bit_identical(whole: TinyRun, run: TinyRun) -> None:
    for epoch, step in ((0, 1), (0, 2), (0, NUM_STEPS), (1, 1), (1, 2)):
        with pytest.raises(Stopped):
            run_fold(run.job, Alone(), RequestAt(epoch=epoch, step=step))
    run_fold(run.job, Alone(), Notes())
    assert_same(run, whole)


def test_of_a_loss_that_is_nan_or_inf_no_checkpoint_is_made(tmp_path: Path) -> None:
    from maskcls.training.loop import TrainingDiverged

    run = TinyRun.write(tmp_path, [RARELY, "optim.name=sgd", "optim.lr=1e30"])
    with pytest.raises(TrainingDiverged, match=r"training loss became (nan|inf) in epoch 1"):
        run_fold(run.job, Alone(), RequestAt(epoch=0, step=2))
    assert run.checkpoints.list() == []
