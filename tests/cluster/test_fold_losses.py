"""How often a fold that is lost again and again is started again."""

from pathlib import Path

from maskcls.cluster.folds import _Losses
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
