"""A worker that was replaced publishes nothing and deletes nothing of its successor's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fold_factory import KillAt, Killed, Notes, Plain, TinyRun, assert_same, plain_learner

from maskcls.config.schema import Optim
from maskcls.core.errors import Superseded
from maskcls.core.history import EpochEntry
from maskcls.models.weights import clone_state
from maskcls.optim import factory
from maskcls.store.attempt import Attempt, Fence
from maskcls.store.folder import Folder
from maskcls.store.run import Fold
from maskcls.training.checkpoint import Keeper, Position, Snapshot, Weights
from maskcls.training.feed import Feed
from maskcls.training.fold import run_fold
from maskcls.training.job import FoldJob
from maskcls.training.rank import Alone

pytestmark = pytest.mark.usefixtures("random_network")

ONE, TWO, THREE = (Attempt(number, f"token {number}") for number in (1, 2, 3))
EPOCHS = "train.epochs=6"
OFTEN, RARELY = "train.checkpoint_s=1e-9", "train.checkpoint_s=600"


@dataclass
class Meanwhile(Notes):
    """A Watcher that does something else once: after a step, an epoch (step 0), or a prediction."""

    act: Callable[[], None] = lambda: None
    epoch: int = 0
    step: int = 0
    when_predicting: bool = False
    done: bool = False

    def _now(self, here: bool) -> None:
        if here and not self.done:
            self.done = True
            self.act()

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        super().step_done(epoch, step, num_steps, images)
        self._now(not self.when_predicting and (epoch, step) == (self.epoch, self.step))

    def epoch_done(self, entry: EpochEntry) -> None:
        super().epoch_done(entry)
        self._now(not self.when_predicting and (entry.epoch - 1, 0) == (self.epoch, self.step))

    def predicted(self, rows: int, num_rows: int) -> None:
        # The validation rows of an epoch, or the eval rows after all of them.
        self._now(self.when_predicting and len(self.epochs) == self.epoch)


def contents(run: TinyRun) -> dict[str, bytes]:
    """All files of the fold's folder, half-written ones and the attempt's name included."""
    root = run.files.folder.local_path
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def begin(run: TinyRun, attempt: Attempt) -> FoldJob:
    """What the driver does before it starts a worker."""
    run.files.write_attempt(attempt)
    job: FoldJob = replace(run.job, attempt=attempt)
    return job


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A fold that was never stopped."""
    run = TinyRun.write(tmp_path_factory.mktemp("whole"), [EPOCHS, RARELY])
    run_fold(run.job, Alone(), Notes())
    return run


@pytest.mark.parametrize("often", [OFTEN, RARELY])
def test_a_stale_attempt_leaves_its_successors_checkpoints_alone(
    whole: TinyRun, tmp_path: Path, often: str
) -> None:
    run, seen = TinyRun.write(tmp_path, [EPOCHS, often]), dict[str, bytes]()

    def successor() -> None:
        with pytest.raises(Killed):
            run_fold(begin(run, TWO), Alone(), KillAt(epoch=4, step=0))
        seen.update(contents(run))

    # The first attempt hangs within the third epoch while the second one trains three more.
    stale = Meanwhile(act=successor, epoch=2, step=1)
    with pytest.raises(Superseded, match="attempt 1 was replaced by attempt 2"):
        run_fold(begin(run, ONE), Alone(), stale)
    assert stale.done
    assert {"checkpoints/epoch-0004/manifest.json", "checkpoints/epoch-0005/manifest.json"} <= {
        *seen
    }
    assert contents(run) == seen
    notes = Notes()
    run_fold(begin(run, THREE), Alone(), notes)
    assert notes.said == ["resumes from checkpoint epoch-0005"]
    assert_same(run, whole)


@pytest.mark.parametrize(
    ("epoch", "step", "when_predicting"),
    [
        (0, 1, False),
        (0, 2, False),
        (0, 3, False),  # the epoch's last step: its validation logits are next
        (0, 0, True),  # while the validation rows are predicted
        (0, 0, False),  # after the first epoch
        (1, 0, False),  # after the last one: the eval logits are next
        (2, 0, True),  # while the eval rows are predicted: fold.json is next
    ],
)
def test_from_the_moment_that_it_is_replaced_it_writes_nothing(
    tmp_path: Path, epoch: int, step: int, when_predicting: bool
) -> None:
    run, seen = TinyRun.write(tmp_path), dict[str, bytes]()

    def replaced() -> None:
        run.files.write_attempt(TWO)
        seen.update(contents(run))

    stale = Meanwhile(act=replaced, epoch=epoch, step=step, when_predicting=when_predicting)
    with pytest.raises(Superseded):
        run_fold(begin(run, ONE), Alone(), stale)
    assert stale.done
    assert contents(run) == seen
    assert not run.files.is_done


def test_replaced_between_checkpoint_and_history_it_writes_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, save = TinyRun.write(tmp_path, [RARELY]), Keeper.save

    def replaced(keeper: Keeper, *given: object) -> None:
        save(keeper, *given)  # type: ignore[arg-type]
        run.files.write_attempt(TWO)

    monkeypatch.setattr(Keeper, "save", replaced)
    with pytest.raises(Superseded):
        run_fold(begin(run, ONE), Alone(), Notes())
    assert run.files.history() == []


@pytest.mark.parametrize("without_eval", [True, False])
def test_replaced_just_before_the_result_it_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_eval: bool
) -> None:
    run, write = TinyRun.write(tmp_path, [RARELY]), Fold.write_eval_logits
    job = begin(run, ONE)

    def replaced(*given: object) -> None:
        write(*given)  # type: ignore[arg-type]
        run.files.write_attempt(TWO)

    monkeypatch.setattr(Fold, "write_eval_logits", replaced)
    stale = Notes()
    if without_eval:
        job = replace(job, eval_pixels=None)
        stale = Meanwhile(act=lambda: run.files.write_attempt(TWO), epoch=1, step=0)
    with pytest.raises(Superseded):
        run_fold(job, Alone(), stale)
    assert len(stale.epochs) == 2
    assert not run.files.is_done


def test_a_stale_attempt_that_starts_late_does_not_even_sweep(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path)
    job = begin(run, ONE)
    run.files.write_attempt(TWO)
    half_written = run.checkpoints.staging("epoch-0001")
    before = contents(run)
    with pytest.raises(Superseded):
        run_fold(job, Alone(), Notes())
    assert half_written.exists()
    assert contents(run) == before


def test_an_attempt_that_was_asked_to_stop_may_still_write(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, ["train.epochs=1", RARELY])
    job = begin(run, ONE)
    run.files.write_attempt(replace(ONE, stop=True))
    run_fold(job, Alone(), Notes())
    assert run.files.is_done


# ---- what is kept --------------------------------------------------------------------------------


def save(keeper: Keeper, position: Position) -> None:
    model = Plain()
    history = [
        EpochEntry(e, 0.1, 2.5, 0.5 / e, {}, 9, 10.0, 1.5, 0.5, "2026-01-01T00:00:00")
        for e in range(1, position.epochs_done + 1)
    ]
    optimizer = factory.build(model, Optim(name="sgd"))
    learner = plain_learner(model, optimizer, Feed([], torch.device("cpu"), channels_last=False))
    loss_sum = torch.zeros((), dtype=torch.float64)
    keeper.save(Snapshot(position, history, {}), Weights(clone_state(model)), learner, loss_sum)


def names(folder: Folder) -> list[str]:
    return [entry.name for entry in folder.list()]


def fence(now: list[Attempt]) -> Fence:
    """Of attempt 1, where now[0] is what attempt.json says."""
    return Fence(lambda: now[0], ONE)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path / "checkpoints")


def test_what_another_attempt_wrote_is_never_deleted(folder: Folder) -> None:
    ours, theirs = Keeper(folder, fence([ONE])), Keeper(folder, fence([ONE]))
    for epoch in (1, 2):
        save(ours, Position(epoch, 0))
    for epoch in (4, 5):
        save(theirs, Position(epoch, 0))
    save(ours, Position(3, 0))  # of which 4 and 5 would be damaged ones, had they been there
    assert names(folder) == [f"epoch-000{epoch}" for epoch in (1, 2, 3, 4, 5)]
    save(ours, Position(3, 7))
    assert names(folder) == [
        "epoch-0001", "epoch-0003", "epoch-0003-step-000007", "epoch-0004", "epoch-0005",
    ]  # fmt: skip


def test_what_it_found_or_wrote_is_deleted_when_it_is_not_kept(folder: Folder) -> None:
    earlier = Keeper(folder, fence([ONE]))
    for position in (Position(1, 0), Position(1, 5), Position(2, 0)):
        save(earlier, position)
    later = Keeper(folder, fence([ONE]))
    save(later, Position(3, 0))
    assert names(folder) == ["epoch-0001", "epoch-0002", "epoch-0003"]
    save(later, Position(4, 0))
    assert names(folder) == ["epoch-0001", "epoch-0003", "epoch-0004"]


def test_damaged_ones_that_it_found_are_deleted(folder: Folder) -> None:
    earlier = Keeper(folder, fence([ONE]))
    for epoch in (1, 2, 3):
        save(earlier, Position(epoch, 0))
    for name in ("epoch-0002", "epoch-0003"):
        (folder.local_path / name / "state.json").unlink()
    later = Keeper(folder, fence([ONE]))
    said: list[str] = []
    assert later.newest(said.append) == "epoch-0001"
    assert len(said) == 2
    save(later, Position(1, 8))
    assert names(folder) == ["epoch-0001", "epoch-0001-step-000008"]


def test_replaced_before_the_rename_nothing_is_published(folder: Folder) -> None:
    now = [ONE]
    keeper = Keeper(folder, fence(now))
    save(keeper, Position(1, 0))
    now[0] = TWO
    with pytest.raises(Superseded, match="attempt 1 was replaced by attempt 2, and writes nothing"):
        save(keeper, Position(2, 0))
    assert [path.name for path in folder.local_path.iterdir()] == ["epoch-0001"]


def test_replaced_after_the_rename_nothing_is_deleted(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [ONE]
    keeper = Keeper(folder, fence(now))
    for epoch in (1, 2, 3):
        save(keeper, Position(epoch, 0))
    publish = Folder.publish

    def replaced(where: Folder, staged: Path, name: str, **given: Any) -> None:
        publish(where, staged, name, **given)
        now[0] = TWO

    monkeypatch.setattr(Folder, "publish", replaced)
    with pytest.raises(Superseded):
        save(keeper, Position(4, 0))
    assert names(folder) == [f"epoch-000{epoch}" for epoch in (1, 2, 3, 4)]
