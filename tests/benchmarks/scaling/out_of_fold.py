"""out_of_fold: five folds' held-out logits to one oof.parquet, part by part, and the score."""

from pathlib import Path
from typing import Any

import numpy as np

from maskcls.config.resolve import resolve
from maskcls.core.mask import SHOTS
from maskcls.evaluation.out_of_fold import run_metrics, write_out_of_fold
from maskcls.folds import rows as fold_rows
from maskcls.store.run import Run
from maskcls.store.tables import write_parts
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps
from tests.commands.run_factory import result_of

NAME = "out_of_fold"
SIZES = made_up.SIZES


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    people, run = made_up.people_of(size), Run.at(str(folder / "run"))
    results = [result_of(fold, f"{fold:064x}") for fold in range(made_up.FOLDS)]
    _write_run(run, people)
    steps = Steps(people * len(SHOTS))
    with steps.step("write_out_of_fold"):
        scored = write_out_of_fold(run, results, {})
    with steps.step("run_metrics"):
        run_metrics(scored, results, made_up.FOLDS)
    in_file = (run.folder.local_path / "oof.parquet").stat().st_size
    return steps.result(file_bytes_per_row=round(in_file / (people * len(SHOTS)), 1))


def _write_run(run: Run, people: int) -> None:
    """What write_out_of_fold reads: settings, table, folds, and each fold's validation logits."""
    run.write_config(resolve("smoke", sets=[f"folds.count={made_up.FOLDS}"]))
    write_parts(run.folder, "table.parquet", made_up.table_parts(people))
    made_up.write_folds(run.folder, people)
    fold_of_row = fold_rows.read_fold_of_row(run.folder, repeat=0)
    for fold in run.folds():
        mine = np.flatnonzero(fold_of_row == fold.number)
        made_up.write_logits(fold.folder, fold.held_out_name(epoch=1), mine, fold.number)
