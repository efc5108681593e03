"""table: writing a run's table.parquet part by part, then reading it part by part and whole.

No folder of images is listed and no data frame is built: ten million files do not fit here. The rows
are made up, and making them is a step of its own, to be taken off that of writing.
"""

from pathlib import Path
from typing import Any

from maskcls.core.mask import SHOTS
from maskcls.store.folder import Folder
from maskcls.store.tables import read_arrow, read_parts, write_parts
from tests.benchmarks.scaling import made_up
from tests.benchmarks.scaling.steps import Steps

NAME = "table"
SIZES = made_up.SIZES
_FILE = "table.parquet"


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package."""
    people, run = made_up.people_of(size), Folder.at(folder / "run")
    steps = Steps(people * len(SHOTS))
    with steps.step("make"):
        for _ in made_up.table_parts(people):
            pass
    with steps.step("make and write_parts"):
        write_parts(run, _FILE, made_up.table_parts(people))
    with steps.step("read_parts"):
        found = sum(part.num_rows for part in read_parts(run, _FILE))
    with steps.step("read_arrow, whole"):
        table = read_arrow(run, _FILE)
    assert found == table.num_rows == people * len(SHOTS)
    in_file = (run.local_path / _FILE).stat().st_size
    return steps.result(
        file_bytes_per_row=round(in_file / found, 1),
        arrow_bytes_per_row=round(table.nbytes / found, 1),
    )
