"""folds: drawing folds over people, then reading each row's fold as driver and worker do."""

from pathlib import Path
from typing import Any

from maskcls.core.mask import SHOTS
from maskcls.folds import rows as fold_rows
from maskcls.folds.assign import assign_folds, fold_table
from maskcls.store.folder import Folder
from maskcls.store.tables import write_parts, write_table
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps
from tests.tasks import MASK

NAME = "folds"
SIZES = made_up.SIZES


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    count, run = made_up.people_of(size), Folder.at(folder / "run")
    write_parts(run, "table.parquet", made_up.table_parts(count))
    groups = made_up.groups(count)
    steps = Steps(count * len(SHOTS))
    with steps.step("assign_folds"):
        folds = assign_folds(groups, MASK, made_up.FOLDS, seed=0)
    with steps.step("write folds.parquet"):
        write_table(run, "folds.parquet", fold_table(groups, MASK, folds))
    del groups, folds
    with steps.step("read_fold_of_row"):  # the driver, when it collects
        fold_of_row = fold_rows.read_fold_of_row(run, repeat=0)
    assert len(fold_of_row) == count * len(SHOTS)
    del fold_of_row
    with steps.step("read_fold_rows"):  # a fold's worker, when it starts
        rows = fold_rows.read_fold_rows(run, 0, made_up.FOLDS, set())
    assert len(rows.train) + len(rows.held_out) == count * len(SHOTS)
    return steps.result(people=count)
