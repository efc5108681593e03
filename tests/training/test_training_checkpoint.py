"""Checkpoints: exact, whole or skipped, and as many as documented."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fold_factory import Plain, plain_learner
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import StorageError, UserError
from maskcls.core.history import Best, EpochEntry
from maskcls.models.weights import clone_state
from maskcls.optim import factory
from maskcls.store.attempt import Fence
from maskcls.store.folder import Folder
from maskcls.training import checkpoint, seeding
from maskcls.training.checkpoint import Keeper, Position, Snapshot, Weights
from maskcls.training.feed import Feed
from tests.record_factory import metrics

OPEN = Fence(lambda: None, None)
"""Nothing competes for the fold."""


class Training:
    """A network with dropout, its optimizer and loss sum."""

    def __init__(self, layout: torch.memory_format = torch.channels_last) -> None:
        seeding.seed_torch("initial values", 0)
        self.model: Plain = Plain(dropout=0.5).to(memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = factory.build(self.model, Optim(weight_decay=0.1))
        feed = Feed([], torch.device("cpu"), channels_last=False)
        self.learner = plain_learner(self.model, self.optimizer, feed)
        self.loss_sum = torch.zeros((), dtype=torch.float64)

    def steps(self, num: int) -> None:
        self.model.train()
        pixels = torch.linspace(-1, 1, 4 * 3 * 32 * 32).view(4, 3, 32, 32)
        for _ in range(num):
            loss = nn.functional.cross_entropy(self.model(pixels), torch.arange(4))
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.loss_sum += loss.detach()

    def save(
        self,
        folder: Folder,
        position: Position,
        best: int | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """By default as the first checkpoint of an attempt that begins here."""
        epochs = range(1, position.epochs_done + 1)
        history = [entry(e, 0.5 if e == best else 0.1) for e in epochs]
        snapshot = Snapshot(position, history, {"fold": 3})
        keeper = keeper or Keeper(folder, OPEN)
        keeper.save(snapshot, Weights(clone_state(self.model)), self.learner, self.loss_sum)

    def restore(self, folder: Folder, name: str) -> Snapshot:
        snapshot, self.loss_sum = checkpoint.restore(folder, name, self.learner)
        return snapshot

    def fingerprint(self) -> list[str]:
        tensors = [*self.model.state_dict().values(), self.loss_sum, torch.rand(3)]
        return [t.detach().numpy().tobytes().hex() for t in tensors]


def entry(epoch: int, score: float | None) -> EpochEntry:
    values = metrics(score)
    return EpochEntry(epoch, 0.1, 2.5, score, values, 9, 10.0, 1.5, 0.5, "2026-01-01T00:00:00")


def newest(folder: Folder, said: list[str] | None = None) -> str | None:
    """What an attempt that begins now resumes from."""
    return Keeper(folder, OPEN).newest((said if said is not None else []).append)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path / "checkpoints")


def names(folder: Folder) -> list[str]:
    return [entry.name for entry in folder.list()]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_resuming_is_exact(folder: Folder, layout: torch.memory_format) -> None:
    first = Training(layout)
    first.steps(3)
    first.save(folder, Position(0, 3))
    first.steps(4)
    expected = first.fingerprint()
    second = Training(layout)
    second.steps(1)  # whatever it did before is gone
    snapshot = second.restore(folder, "epoch-0000-step-000003")
    second.steps(4)
    assert second.fingerprint() == expected
    assert snapshot == Snapshot(Position(0, 3), [], {})


@pytest.mark.slow
def test_resuming_in_another_process_is_exact(folder: Folder) -> None:
    first = Training()
    first.steps(2)
    first.save(folder, Position(0, 2))
    first.steps(2)
    code = (
        "import sys, json, torch; torch.set_num_threads(1); sys.path.insert(0, sys.argv[1])\n"
        "from test_training_checkpoint import Training, Folder\n"
        "training = Training(); training.restore(Folder.at(sys.argv[2]), sys.argv[3])\n"
        "training.steps(2); print(json.dumps(training.fingerprint()))"
    )
    here = str(Path(__file__).parent)
    arguments = [sys.executable, "-c", code, here, folder.location, "epoch-0000-step-000002"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == first.fingerprint()


def test_history_best_and_description_come_back(folder: Folder) -> None:
    Training().save(folder, Position(2, 0), best=1)
    snapshot = Training().restore(folder, "epoch-0002")
    assert snapshot.position == Position(2, 0)
    assert snapshot.history == [entry(1, 0.5), entry(2, 0.1)]
    assert snapshot.best == Best(1, 0.5)
    assert checkpoint.read_state(folder, "epoch-0002")["fold"] == 3


def test_a_checkpoint_has_no_logits(folder: Folder) -> None:
    Training().save(folder, Position(1, 0), best=1)
    files = ["manifest.json", "model.safetensors", "state.json", "training.safetensors"]
    assert sorted(e.name for e in folder.child("epoch-0001").list()) == files


def test_last_two_and_the_best_are_kept(folder: Folder) -> None:
    training, keeper = Training(), Keeper(folder, OPEN)
    for position in (Position(1, 0), Position(1, 5), Position(2, 0), Position(2, 7)):
        training.save(folder, position, 1, keeper)
    assert names(folder) == ["epoch-0001", "epoch-0002", "epoch-0002-step-000007"]
    # Epoch 3 is better; but should it turn out damaged, epoch 1 is the best of the one before.
    training.save(folder, Position(3, 0), 3, keeper)
    assert names(folder) == ["epoch-0001", "epoch-0002-step-000007", "epoch-0003"]
    training.save(folder, Position(3, 4), 3, keeper)
    assert names(folder) == ["epoch-0003", "epoch-0003-step-000004"]


def test_damaged_newest_is_logged_and_skipped(folder: Folder) -> None:
    training = Training()
    training.save(folder, Position(1, 0), best=1)
    training.save(folder, Position(2, 0), best=1)
    path = folder.local_path / "epoch-0002" / "training.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    said: list[str] = []
    assert newest(folder, said) == "epoch-0001"
    assert said == [
        "checkpoint epoch-0002 is damaged (training.safetensors has another checksum than when"
        " it was written) and skipped"
    ]
    with pytest.raises(UserError, match=r"epoch-0002: the checkpoint is damaged"):
        checkpoint.require_whole(folder, "epoch-0002")


def test_damaged_ones_do_not_replace_valid_ones(folder: Folder) -> None:
    training = Training()
    for epoch in (1, 2, 3, 4):
        training.save(folder, Position(epoch, 0), best=1)
    for name in ("epoch-0003", "epoch-0004"):
        (folder.local_path / name / "state.json").unlink()
    training.save(folder, Position(1, 8), best=1)  # having resumed from epoch-0001
    assert newest(folder) == "epoch-0001-step-000008"
    assert names(folder) == ["epoch-0001", "epoch-0001-step-000008"]


def test_no_checkpoint_is_none(folder: Folder) -> None:
    assert newest(folder) is None


def test_other_folders_are_no_checkpoints(folder: Folder) -> None:
    Training().save(folder, Position(1, 0))
    folder.staging("epoch-0002")
    (folder.local_path / "epoch-0003-copy").mkdir()
    assert newest(folder) == "epoch-0001"


def test_full_disk_is_an_error_and_leaves_nothing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "training.safetensors":  # the second file: the first one is there already
            write_bytes(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"the disk is full .* run the same command again"):
        Training().save(folder, Position(1, 0))
    assert names(folder) == []


@pytest.mark.parametrize("other", [3, 5])
def test_another_format_is_refused(folder: Folder, other: int) -> None:
    Training().save(folder, Position(1, 0))
    path = folder.local_path / "epoch-0001" / "state.json"
    path.write_text(path.read_text().replace('"format": 4', f'"format": {other}'))
    with pytest.raises(RuntimeError, match=f"format {other}, this is 4"):
        checkpoint.read_state(folder, "epoch-0001")
