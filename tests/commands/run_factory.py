"""A finished run's folder as `maskcls train` leaves it, without the training: its logits are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.config.resolve import resolve, to_json
from maskcls.store import record, run_files
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, write_table


def write_run(
    folder: Path,
    image_ids: Sequence[str],
    logits: npt.ArrayLike,
    sets: Sequence[str] = (),
    folds: pd.DataFrame | None = None,
    faults: Mapping[str, str] | None = None,
    done: Sequence[int] | None = None,
    fingerprint: str = "eval images",
) -> Folder:
    """Write it.

    logits: [folds, N, 18] of the eval images, in the order of image_ids; a row that is NaN is left
    out, as an image that cannot be decoded. sets: beside folds.count. faults: {ImageID: reason}.
    done: numbers of the folds that are finished; None for all.
    """
    values = np.asarray(logits, np.float32)
    run, faults = Folder.at(folder), dict(faults or {})
    run.write_json("config.json", to_json(resolve("smoke", sets=sets)))
    run.write_json("faults.json", {"train": {}, "eval": faults})
    data = {"eval_fingerprint": fingerprint}
    run.write_json("record.json", {"format": record.FORMAT, "git_commit": None, "data": data})
    write_table(run, "eval_table.parquet", pa.table({"ImageID": list(image_ids)}))
    # Class 4 is the most frequent one.
    write_table(run, "table.parquet", pa.table({"label": np.array([0, 4, 4, 9], np.int8)}))
    if folds is not None:
        write_table(run, "folds.parquet", folds)
    for fold in range(len(values)) if done is None else done:
        rows = np.flatnonzero(np.isfinite(values[fold]).all(axis=1))
        column = logits_column(values[fold][rows], np.ones(len(rows), bool))
        own = run_files.fold_folder(run, fold)
        write_table(own, "eval.parquet", pa.table({"row": rows, "logits": column}))
        own.write_json(
            "fold.json",
            {
                "fold": fold,
                "checkpoint": f"epoch-{fold}",
                "model_sha256": f"{folder.name}-{fold}",
                "best_epoch": 1,
                "macro_f1": 0.5,
            },
        )
    return run


def logits_for(classes: Sequence[int], margin: float) -> npt.NDArray[np.float32]:
    """Logits [N, 18] that are 0 but for the class, which has the margin."""
    logits = np.zeros((len(classes), 18), np.float32)
    logits[np.arange(len(classes)), classes] = margin
    return logits
