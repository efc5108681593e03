"""A fold of any task: its network has that task's classes, and the classes' names change no number."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fold_factory import Notes, TinyRun

from maskcls.core.task import Part, Task
from maskcls.store.tables import read_table, write_table
from maskcls.training import checkpoint
from maskcls.training.fold import run_fold
from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone
from tests.tasks import FRUIT

EIGHTEEN = Task("plain", (Part("label", tuple(f"class {k}" for k in range(18))),))
TWO_PARTS = Task(
    "two", (Part("kind", ("a", "b", "c")), Part("size", tuple(str(k) for k in range(6))))
)
ONE_EPOCH = "train.epochs=1"


def trained(folder: Path, task: Task | None, *sets: str) -> TinyRun:
    """Fold 0 of a run, trained for an epoch; task: None for the mask task."""
    run = TinyRun.write(folder, [ONE_EPOCH, *sets])
    if task is not None:
        run = replace(run, job=replace(run.job, task=task))
        table = read_table(run.folder, "table.parquet").drop(columns="train_age")
        for name in ("label", "train_label"):
            table[name] = table[name] % task.num_classes
        write_table(run.folder, "table.parquet", table)
    run_fold(run.job, Alone(), Notes())
    return run


def held_out(run: TinyRun, num_classes: int) -> np.ndarray:
    name = run.files.held_out_name(1)
    logits = np.stack(list(read_table(run.files.folder, name)["logits"]))
    assert logits.shape[1] == num_classes
    assert np.isfinite(logits).all()
    return logits


@pytest.mark.parametrize("loss", ["cross_entropy", "f1+focal", "ldam"])
def test_18_classes_of_any_name_train_as_those_of_the_mask_task(tmp_path: Path, loss: str) -> None:
    sets = (f"loss.name={loss}", "rows.sampler=weighted")
    mask = trained(tmp_path / "mask", None, *sets)
    plain = trained(tmp_path / "plain", EIGHTEEN, *sets)
    name = mask.files.held_out_name(1)
    assert mask.read(name) == plain.read(name)


def test_branches_of_two_parts_train(tmp_path: Path) -> None:
    run = trained(tmp_path, TWO_PARTS, "head.name=branches", "loss.name=focal", "head.merge=hard")
    logits_BK = held_out(run, 18)
    np.testing.assert_allclose(np.logaddexp.reduce(logits_BK, axis=1), 0, atol=1e-5)


def test_a_checkpoint_of_four_classes_predicts_them(tmp_path: Path) -> None:
    run = trained(tmp_path, FRUIT, "augment.name=mixup", "augment.mixup.partner=same_class")
    expected = held_out(run, 4)
    name = "epoch-0001"
    state = checkpoint.read_state(run.checkpoints, name)
    assert Task.from_json(state["network"]["task"]) == FRUIT
    assert run.job.eval_pixels is not None
    job = PredictJob(run.checkpoints.location, name, run.job.pixels, "cpu", 1)
    rows, logits_BK = predict_images(job)
    assert logits_BK.shape[1] == 4
    own = read_table(run.files.folder, run.files.held_out_name(1))["row"].to_numpy()
    found = logits_BK[np.searchsorted(rows, own)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
