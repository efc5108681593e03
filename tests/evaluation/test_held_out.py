"""A run's held-out rows, as oof.parquet has them."""

from pathlib import Path

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.evaluation.held_out import read_held_out
from maskcls.store.run import OOF, Run
from maskcls.store.tables import logits_column, read_arrow, write_table
from tests.commands.run_factory import write_run
from tests.evaluation.held_out_runs import write_held_out_run
from tests.tasks import FRUIT

IMAGES, GROUPS, LABELS, FOLDS = ["c", "a", "b"], ["P2", "P1", "P2"], [0, 3, 1], [1, 0, 1]


def logits(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)


def written(folder: Path, values: np.ndarray, repeats: int = 1) -> Run:
    return write_held_out_run(
        folder, IMAGES, GROUPS, LABELS, values, FOLDS, repeats=repeats, count=2
    )


def test_the_rows_are_in_the_files_order_and_groups_numbered_by_name(tmp_path: Path) -> None:
    values = logits(3)
    found = read_held_out(written(tmp_path / "a", values))
    assert found.images.tolist() == IMAGES
    assert found.groups[found.rows.groups].tolist() == GROUPS
    assert found.groups.tolist() == ["P1", "P2"]
    assert found.rows.labels.tolist() == LABELS
    assert found.rows.folds.tolist() == FOLDS
    assert found.faults == 0
    np.testing.assert_array_equal(found.rows.logits, values)


def test_the_folds_of_a_second_repeat_are_other_networks(tmp_path: Path) -> None:
    found = read_held_out(written(tmp_path / "a", logits(6), repeats=2))
    assert found.rows.folds.tolist() == [1, 0, 1, 3, 2, 3]


def test_rows_without_logits_are_counted_and_left_out_with_their_group(tmp_path: Path) -> None:
    values = logits(3)
    values[1] = np.nan
    found = read_held_out(written(tmp_path / "a", values))
    assert (found.images.tolist(), found.groups.tolist(), found.faults) == (["c", "b"], ["P2"], 1)
    np.testing.assert_array_equal(found.rows.logits, values[[0, 2]])


def test_a_run_that_is_not_collected_is_refused(tmp_path: Path) -> None:
    run = Run(write_run(tmp_path / "a", ["x"], np.zeros((2, 1, 4)), ["folds.count=2"], task=FRUIT))
    with pytest.raises(UserError, match="not all of its folds are done"):
        read_held_out(run)


def test_a_run_without_any_held_out_logits_is_refused(tmp_path: Path) -> None:
    run = written(tmp_path / "a", logits(3))
    found = read_arrow(run.folder, OOF, ["image", "group", "label", "repeat", "fold", "logits"])
    none = logits_column(np.zeros((3, 4), np.float32), np.zeros(3, bool))
    write_table(run.folder, OOF, found.set_column(5, "logits", none))
    with pytest.raises(UserError, match="no held-out logits"):
        read_held_out(run)
