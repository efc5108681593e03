"""What identifies a run, and the refusal to resume it as another one."""

from pathlib import Path

import numpy as np
import pandas as pd

from maskcls.config.resolve import differences, to_json
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.hashing import sha256_of
from maskcls.core.task import Task
from maskcls.core.task import differences as differences_of_tasks
from maskcls.store.folder import Folder
from maskcls.store.record import Described
from maskcls.store.run import FOLDS, Network, Run
from maskcls.store.tables import read_table


def refuse_other_settings(run: Run, config: Config) -> None:
    """UserError with the settings that changed since the run was started."""
    # Read through the schema: a setting that did not exist then has its default in an older run.
    if found := differences(to_json(run.config), to_json(config)):
        raise UserError(
            f"{run}: this run was started with other settings ({'; '.join(found)});"
            " use the same ones to resume it, or another --run."
        )


def refuse_other_task(run: Run, task: Task) -> None:
    """UserError with what changed in the task since the run was started."""
    if found := differences_of_tasks(run.task, task):
        raise UserError(
            f"{run}: this run was started with another task ({'; '.join(found)}); put the data or the"
            " task file back to resume it, or use another --run."
        )


def refuse_other_data(run: Run, old: Described, new: Described) -> None:
    """UserError with what changed in the data; old, new: DataSet.describe and more inputs."""
    # The location may change: data may be moved, or be mounted elsewhere on another machine.
    names = [n for n in sorted({*old, *new}) if n != "location"]
    found = [
        f"{n}: {old.get(n)} there, {new.get(n)} now" for n in names if old.get(n) != new.get(n)
    ]
    if found:
        raise UserError(
            f"{run}: this run was started on other data ({'; '.join(found)});"
            " point it at the same data to resume it, or use another --run."
        )


def refuse_other_folds(run: Run, wanted: pd.DataFrame) -> None:
    """UserError when folds.parquet is not what groups and seed give."""
    # Drawn again and compared, not only read: finished folds and later ones must use the same split.
    found = read_table(run.folder, FOLDS)
    if not (difference := _difference(found, wanted)):
        return
    raise UserError(
        f"{run}/{FOLDS}: not the folds that these groups and folds.seed give ({difference});"
        " the file was changed, or another version made it: restore it, or use another --run."
    )


def _difference(found: pd.DataFrame, wanted: pd.DataFrame) -> str:
    """Where a folds table differs from the expected one, in words; "" if it does not."""
    if list(found.columns) != list(wanted.columns):
        return f"columns {', '.join(found.columns)} there, {', '.join(wanted.columns)} expected"
    if len(found) != len(wanted):
        return f"{len(found)} rows there, {len(wanted)} expected"
    # As text: categories and integers of another width are the same values.
    there = [found[c].astype("str").to_numpy() for c in wanted.columns]
    here = [wanted[c].astype("str").to_numpy() for c in wanted.columns]
    wrong = [a != b for a, b in zip(there, here, strict=True)]
    rows = np.flatnonzero(np.logical_or.reduce(wrong))
    if not len(rows):
        return ""
    row = rows[0]
    column = next(k for k, where in enumerate(wrong) if where[row])
    text = (
        f"row {row + 1}, {wanted.columns[0]} {here[0][row]}: {wanted.columns[column]}"
        f" {there[column][row]} there, {here[column][row]} expected"
    )
    return text if len(rows) == 1 else f"{text}, and {len(rows) - 1} more rows"


def refuse_other_weights(run: Folder, network: Network) -> None:
    """UserError when a weights file has changed since; network: the run's network.json."""
    # Folds that have not started yet would otherwise begin with other weights than the finished ones.
    for name, old in network.weights_sha256.items():
        if name.startswith(("hub:", "hub-state:")):
            continue  # of the model hub, not a file that the user may have changed
        path = Path(name)
        if not path.is_file():
            raise UserError(
                f"{path}: the weights that this run started with no longer exist; put them back."
            )
        new = sha256_of(path)
        if new != old:
            raise UserError(
                f"{run}: this run was started with other weights in {path}"
                f" (SHA-256 {old[:12]}... there, {new[:12]}... now); put it back, or use another"
                " --run."
            )
