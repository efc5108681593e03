"""From folds' logits to one table; nothing is lost, nothing counts twice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score

from maskcls.evaluation import out_of_fold
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, write_table

NUM_ROWS = 12
FAULTS = {3: "the file is empty", 7: "cut"}


def fill(run: Folder, fold: int, rows: list[int], name: str = "held_out.parquet") -> np.ndarray:
    """A fold's logits file; the logits tell row and fold."""
    logits = np.zeros((len(rows), 18), np.float32)
    logits[:, 0], logits[:, 1] = rows, fold
    column = logits_column(logits, np.ones(len(rows), bool))
    table = pa.table({"row": np.array(rows, np.int64), "logits": column})
    write_table(run_files.fold_folder(run, fold), name, table)
    return logits


def test_every_row_comes_from_the_fold_that_held_it_out(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    fill(run, 0, [0, 2, 4, 6, 8, 10])
    fill(run, 1, [1, 5, 9, 11])
    logits, fold_of_row = out_of_fold.collect_held_out(run, 2, NUM_ROWS)
    assert fold_of_row.tolist() == [0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, 1]
    assert np.isnan(logits[3]).all()
    assert logits[9, :2].tolist() == [9, 1]


def test_a_row_of_two_folds_is_refused(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    fill(run, 0, [0, 1])
    fill(run, 1, [1, 2])
    with pytest.raises(RuntimeError, match="another fold held out"):
        out_of_fold.collect_held_out(run, 2, NUM_ROWS)


def test_the_table_has_null_logits_and_the_reason_for_faults_only(tmp_path: Path) -> None:
    people = [f"p{row // 3}" for row in range(NUM_ROWS)]
    table = pa.table(
        {
            "path": [f"{p}/{row}.jpg" for row, p in enumerate(people)],
            "person": people,
            "label": np.arange(NUM_ROWS, dtype=np.int8),
        }
    )
    fold_of = {"p0": 0, "p1": 1, "p2": 0, "p3": 1}
    logits = np.ones((NUM_ROWS, 18), np.float32)
    logits[list(FAULTS)] = np.nan
    oof = out_of_fold.out_of_fold_table(table, fold_of, logits, FAULTS)
    write_table(Folder.at(tmp_path), "oof.parquet", oof)
    frame = pd.read_parquet(tmp_path / "oof.parquet")
    assert frame["fold"].tolist() == [fold_of[p] for p in people]
    assert frame.index[frame["logits"].isna()].tolist() == list(FAULTS)
    assert frame["fault"].dropna().to_dict() == FAULTS
    assert frame["logits"][0].dtype == np.float32
    with pytest.raises(RuntimeError, match="row 7 and 0 more have no logits and no fault"):
        out_of_fold.out_of_fold_table(table, fold_of, logits, {3: "x"})


def test_metrics_count_sound_rows_and_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 18, 200)
    logits = generator.normal(size=(200, 18)).astype(np.float32)
    faults = {5: "x", 100: "y"}
    logits[list(faults)] = np.nan
    found = out_of_fold.run_metrics(labels, logits, faults, [])["oof"]
    sound = np.setdiff1d(np.arange(200), list(faults))
    predicted = logits[sound].argmax(1)
    expected = f1_score(
        labels[sound], predicted, average="macro", labels=range(18), zero_division=0
    )
    assert found["macro_f1"] == pytest.approx(expected)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels[sound], predicted))
    assert (found["images"], found["faults"]) == (198, 2)


def test_an_eval_row_that_a_fold_left_out_is_noticed(tmp_path: Path) -> None:
    run, names = Folder.at(tmp_path), pa.array(["a", "b", "c"])
    fill(run, 0, [0, 2], "eval.parquet")
    table = out_of_fold.eval_table(run, [0], names, {1: "cut"})
    assert table["fault"].to_pylist() == [None, "cut", None]
    assert table["logits"][1].as_py() is None
    with pytest.raises(RuntimeError, match="lacks logits"):
        out_of_fold.eval_table(run, [0], names, {})
