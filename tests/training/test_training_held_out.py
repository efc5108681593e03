"""Validation logits: once per epoch in the fold's folder, and predicted again if deleted."""

from pathlib import Path

import pytest
from fold_factory import Notes, TinyRun

from maskcls.training.checkpoint import Keeper
from maskcls.training.fold import run_fold
from maskcls.training.rank import Alone

pytestmark = pytest.mark.usefixtures("random_network")


def held_out_files(run: TinyRun) -> list[str]:
    return [entry.name for entry in run.files.folder.child("held_out").list()]


def parquet_files(run: TinyRun) -> list[str]:
    root = run.files.folder.local_path
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.parquet"))


def test_there_is_a_file_for_each_epoch_and_none_in_the_checkpoints(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, ["train.epochs=4"])
    run_fold(run.job, Alone(), Notes())
    assert parquet_files(run) == [
        "eval_logits.parquet", *(f"held_out/epoch-000{epoch}.parquet" for epoch in (1, 2, 3, 4)),
    ]  # fmt: skip
    sizes = {name: len(run.read(f"held_out/{name}")) for name in held_out_files(run)}
    assert min(sizes.values()) > 0
    for entry in run.checkpoints.list():
        assert sorted(file.name for file in run.checkpoints.child(entry.name).list()) == [
            "manifest.json", "model.safetensors", "state.json", "training.safetensors",
        ]  # fmt: skip


def test_a_whole_checkpoint_implies_the_logits_of_its_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def save(keeper: Keeper, *given: object) -> None:
        raise Killed

    run = TinyRun.write(tmp_path, ["train.checkpoint_s=600"])
    monkeypatch.setattr(Keeper, "save", save)
    with pytest.raises(Killed):
        run_fold(run.job, Alone(), Notes())
    assert held_out_files(run) == ["epoch-0001.parquet"]
    assert run.checkpoints.list() == []


@pytest.mark.parametrize(
    "sets",
    [(), ("optim.ema=0.9",), ("optim.swa_epochs=1",), ("tta.flip=true",)],
    ids=lambda sets: "".join(sets) or "plain",
)
def test_deleted_logits_of_a_done_fold_are_predicted_again_bit_identical(
    tmp_path: Path, sets: tuple[str, ...]
) -> None:
    run = TinyRun.write(tmp_path, sets)
    done = run_fold(run.job, Alone(), Notes())
    names = [run.files.held_out_name(done.best_epoch), "eval_logits.parquet"]
    before = {name: run.read(name) for name in names}
    history = run.read("history.jsonl")
    assert run.files.has_logits(done, with_eval=True)
    for name in names:
        run.files.folder.delete(name)
    assert not run.files.has_logits(done, with_eval=True)
    run.files.forget_result()
    notes = Notes()
    again = run_fold(run.job, Alone(), notes)
    assert notes.steps == []  # nothing is trained for it
    assert {name: run.read(name) for name in names} == before
    assert run.read("history.jsonl") == history
    assert again.model_sha256 == done.model_sha256
    assert (again.score, again.best_epoch) == (done.score, done.best_epoch)
    assert run.files.result() == again


def test_existing_logits_are_left_unchanged(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path)
    done = run_fold(run.job, Alone(), Notes())
    path = run.files.folder.local_path / run.files.held_out_name(done.best_epoch)
    written = path.stat().st_mtime_ns
    run.files.forget_result()
    run_fold(run.job, Alone(), Notes())
    assert path.stat().st_mtime_ns == written
