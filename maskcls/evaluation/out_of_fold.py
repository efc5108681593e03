"""From the folds' logits to one out-of-fold table, one eval table and the run's metrics."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.labels import NUM_CLASSES
from maskcls.core.metrics import score
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, logits_of, read_arrow

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def collect_held_out(run: Folder, folds: int, num_rows: int) -> tuple[Float32, Int64]:
    """Every row's logits from the fold that held it out, and that fold's number.

    Returns float32 [N, 18] (NaN where no fold has the row) and int64 [N] (-1 there).
    Raises RuntimeError when two folds have the same row.
    """
    logits = np.full((num_rows, NUM_CLASSES), np.nan, np.float32)
    fold_of_row = np.full(num_rows, -1, np.int64)
    for fold in range(folds):
        rows, values = _read(run_files.fold_folder(run, fold), "held_out.parquet")
        if (fold_of_row[rows] >= 0).any():
            raise RuntimeError(f"{run}: fold {fold} has rows that another fold held out, too")
        logits[rows], fold_of_row[rows] = values, fold
    return logits, fold_of_row


def out_of_fold_table(
    table: pa.Table, fold_of_person: Mapping[str, int], logits: Float32, faults: Mapping[int, str]
) -> pa.Table:
    """One row per training image: path, person, label, repeat, fold, logits, fault.

    table: table.parquet of the run. faults: {row: reason}; these and only these rows are null.
    Raises RuntimeError when a row has neither logits nor a fault.
    """
    person = table["person"].combine_chunks().dictionary_encode()
    fold_of_code = np.array([fold_of_person[p] for p in person.dictionary.to_pylist()], np.int16)
    valid = has_logits(logits)
    lost = [row for row in np.flatnonzero(~valid).tolist() if row not in faults]
    if lost:
        raise RuntimeError(f"row {lost[0]} and {len(lost) - 1} more have no logits and no fault")
    return pa.table(
        {
            "path": table["path"],
            "person": table["person"],
            "label": table["label"].cast(pa.int16()),
            "repeat": np.zeros(table.num_rows, np.int16),
            "fold": fold_of_code[person.indices.to_numpy()],
            "logits": logits_column(logits, valid),
            "fault": _fault_column(table.num_rows, faults),
        }
    )


def eval_table(
    run: Folder, folds: Iterable[int], names: pa.Array, faults: Mapping[int, str]
) -> pa.Table:
    """One row per eval image and fold: ImageID, repeat, fold, logits, fault.

    folds: the folds that are done. names: ImageID of each eval row.
    Raises RuntimeError when a fold left a sound row out.
    """
    parts = []
    for fold in folds:
        rows, values = _read(run_files.fold_folder(run, fold), "eval.parquet")
        logits = np.full((len(names), NUM_CLASSES), np.nan, np.float32)
        logits[rows] = values
        valid = has_logits(logits)
        if int((~valid).sum()) != len(faults):
            raise RuntimeError(f"{run}: fold {fold} lacks logits of {int((~valid).sum())} photos")
        parts.append(
            pa.table(
                {
                    "ImageID": names,
                    "repeat": np.zeros(len(names), np.int16),
                    "fold": np.full(len(names), fold, np.int16),
                    "logits": logits_column(logits, valid),
                    "fault": _fault_column(len(names), faults),
                }
            )
        )
    return pa.concat_tables(parts)


def run_metrics(
    labels: Int64, logits: Float32, faults: Mapping[int, str], folds: list[dict[str, Any]]
) -> dict[str, Any]:
    """The run's metrics.json, less its times.

    labels: int64 [N]; logits: float32 [N, 18], NaN rows are those in faults and do not count;
    folds: each fold's fold.json.
    """
    valid = has_logits(logits)
    oof = score(labels[valid], logits.argmax(axis=1)[valid])
    oof |= {"images": int(valid.sum()), "faults": len(faults)}
    return {"oof": oof, "folds": folds}


def has_logits(logits: Float32) -> npt.NDArray[np.bool_]:
    """Which rows of logits [N, 18] are numbers, bool [N]."""
    return np.asarray(np.isfinite(logits).all(axis=1))


def _read(folder: Folder, name: str) -> tuple[Int64, Float32]:
    table = read_arrow(folder, name)
    logits, _ = logits_of(table["logits"])
    return table["row"].to_numpy(), logits


def _fault_column(num_rows: int, faults: Mapping[int, str]) -> pa.Array:
    reasons: list[str | None] = [None] * num_rows
    for row, reason in faults.items():
        reasons[row] = reason
    return pa.array(reasons, pa.string())
