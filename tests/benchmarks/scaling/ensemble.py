"""ensemble: the whole command `maskcls ensemble` on one made-up run of two folds, the least to average.

A row is an eval image, whose logits every fold has. Names are as long as the competition's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from maskcls.cli.progress import make_progress
from maskcls.commands.ensemble import ensemble
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.record import new_record
from maskcls.store.tables import write_parts, write_table
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps

NAME = "ensemble"
SIZES = made_up.SIZES
FOLDS = 2
_PART_ROWS = 4_096


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    run = Folder.at(folder / "run")
    _write_run(run, size)
    steps = Steps(size)
    with steps.step("ensemble"), make_progress() as progress:
        done = ensemble([run.location], str(folder / "submission.csv"), progress)
    assert done.provenance["images"] == size
    return steps.result(folds=FOLDS)


def _write_run(run: Folder, rows: int) -> None:
    """What the command reads of a finished run."""
    run.write_json("config.json", {"folds": {"scheme": "kfold", "count": FOLDS, "repeats": 1}})
    run.write_json("record.json", new_record({"eval_fingerprint": "made up"}))
    run.write_json("faults.json", {"train": {}, "eval": {}})
    write_table(run, "table.parquet", pa.table({"label": np.arange(18, dtype=np.int8)}))
    write_parts(run, "eval_table.parquet", _eval_parts(rows))
    for fold in range(FOLDS):
        there = run_files.fold_folder(run, fold)
        made_up.write_logits(there, "eval.parquet", np.arange(rows), fold)
        told = {"checkpoint": "epoch-0001", "best_epoch": 1, "macro_f1": 0.0}
        there.write_json("fold.json", {"fold": fold, "model_sha256": f"{fold:064x}", **told})


def _eval_parts(rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, _PART_ROWS):
        numbers = range(start, min(start + _PART_ROWS, rows))
        names = pa.array([f"{number:040x}.jpg" for number in numbers], pa.string())
        yield pa.table({"ImageID": names, "path": names})
