"""out_of_fold: five folds' held-out logits to one oof.parquet, part by part, and the score."""

from pathlib import Path
from typing import Any

import numpy as np

from maskcls.core.labels import SHOTS
from maskcls.evaluation.out_of_fold import run_metrics, write_out_of_fold
from maskcls.folds import rows as fold_rows
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.tables import write_parts
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps

NAME = "out_of_fold"
SIZES = made_up.SIZES


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    people, run = made_up.people_of(size), Folder.at(folder / "run")
    _write_run(run, people)
    steps = Steps(people * len(SHOTS))
    with steps.step("write_out_of_fold"):
        scored = write_out_of_fold(run, made_up.FOLDS, made_up.FOLDS, {})
    with steps.step("run_metrics"):
        run_metrics(scored, [{"fold": fold} for fold in range(made_up.FOLDS)], made_up.FOLDS)
    in_file = (run.local_path / "oof.parquet").stat().st_size
    return steps.result(file_bytes_per_row=round(in_file / (people * len(SHOTS)), 1))


def _write_run(run: Folder, people: int) -> None:
    """What write_out_of_fold reads: table, folds, and each fold's held-out logits."""
    write_parts(run, "table.parquet", made_up.table_parts(people))
    made_up.write_folds(run, people)
    fold_of_row = fold_rows.read_fold_of_row(run, repeat=0)
    for fold in range(made_up.FOLDS):
        mine = np.flatnonzero(fold_of_row == fold)
        made_up.write_logits(run_files.fold_folder(run, fold), "held_out.parquet", mine, fold)
