"""Which ends of a fold are losses, and how often one that is lost again and again is started again."""

from pathlib import Path

import pytest

from maskcls.cluster.fold_queue import _Losses, _outcome_of
from maskcls.cluster.worker import _is_lost_peer
from maskcls.store import run_files
from maskcls.store.paths import Folder


def test_losses_count_since_the_last_epoch_that_was_finished(tmp_path: Path) -> None:
    run, losses = Folder.at(tmp_path), _Losses()

    def lost_after(epochs: int) -> int:
        text = run_files.history_text([{"epoch": n} for n in range(epochs)])
        run_files.fold_folder(run, 0).write_bytes("history.jsonl", text)
        return losses.next(run, 0)

    assert losses.next(run, 0) == 1  # before its first epoch
    assert [lost_after(epochs) for epochs in (0, 0, 1, 1, 2, 3, 3, 3)] == [2, 3, 1, 2, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("OSError: [Errno 5] Input/output error", "lost"),
        ("TimeoutError: storage", "lost"),
        ("MemoryError: ", "lost"),
        ("TrainingDiverged: the training loss became nan", "error"),
        ("ValueError: OSError", "error"),
    ],
)
def test_an_error_of_storage_or_memory_is_a_loss(error: str, kind: str) -> None:
    found = _outcome_of({"error": error, "traceback": "lines"})
    assert (found.kind, found.text, found.detail) == (kind, error, "lines")


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo] Connection closed by peer"), True),
        (RuntimeError("NCCL error: Duplicate GPU detected : rank 1 and rank 0"), False),
        (RuntimeError("NCCL error: ncclInvalidUsage: invalid usage"), False),
        (ValueError("Connection closed"), False),
    ],
)
def test_only_what_need_not_come_again_is_a_lost_peer(error: Exception, lost: bool) -> None:
    assert _is_lost_peer(error) == lost
