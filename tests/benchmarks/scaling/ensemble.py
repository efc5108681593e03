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
from maskcls.config.resolve import resolve
from maskcls.store.record import Record
from maskcls.store.run import EVAL_LOGITS, EVAL_TABLE, TABLE, Faults, Run
from maskcls.store.tables import write_parts, write_table
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps
from tests.commands.run_factory import result_of
from tests.tasks import MASK

NAME = "ensemble"
SIZES = made_up.SIZES
FOLDS = 2
_PART_ROWS = 4_096


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    run = Run.at(str(folder / "run"))
    _write_run(run, size)
    steps = Steps(size)
    with steps.step("ensemble"), make_progress() as progress:
        done = ensemble([run.folder.location], str(folder / "submission.csv"), progress)
    assert done.provenance["images"] == size
    return steps.result(folds=FOLDS)


def _write_run(run: Run, rows: int) -> None:
    """What the command reads of a finished run."""
    run.write_config(resolve("smoke", sets=[f"folds.count={FOLDS}"]))
    run.write_task(MASK)
    run.write_record(Record.new({"eval_fingerprint": "made up"}))
    run.write_faults(Faults({}, {}, {}))
    write_table(run.folder, TABLE, pa.table({"label": np.arange(18, dtype=np.int16)}))
    write_parts(run.folder, EVAL_TABLE, _eval_parts(rows))
    for fold in run.folds():
        made_up.write_logits(fold.folder, EVAL_LOGITS, np.arange(rows), fold.number)
        fold.write_result(result_of(fold.number, f"{fold.number:064x}"))


def _eval_parts(rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, _PART_ROWS):
        numbers = range(start, min(start + _PART_ROWS, rows))
        names = pa.array([f"{number:040x}.jpg" for number in numbers], pa.string())
        yield pa.table({"image": names, "path": names})
