"""A finished run's folder as `maskcls train` leaves it, without the training: its logits are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.config.resolve import resolve
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.results import FoldImages, FoldResult
from maskcls.store.run import Faults, Run
from maskcls.store.tables import write_table


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
    made = Run(run)
    made.write_config(resolve("smoke", sets=sets))
    made.write_faults(Faults({}, faults, {}))
    made.write_record(Record.new({"eval_fingerprint": fingerprint}))
    write_table(run, "eval_table.parquet", pa.table({"ImageID": list(image_ids)}))
    # Class 4 is the most frequent one.
    write_table(run, "table.parquet", pa.table({"label": np.array([0, 4, 4, 9], np.int8)}))
    if folds is not None:
        write_table(run, "folds.parquet", folds)
    for fold in range(len(values)) if done is None else done:
        rows = np.flatnonzero(np.isfinite(values[fold]).all(axis=1))
        own = made.fold(fold)
        own.write_eval_logits(rows, values[fold][rows])
        own.write_result(result_of(fold, f"{folder.name}-{fold}"))
    return run


def logits_for(classes: Sequence[int], margin: float) -> npt.NDArray[np.float32]:
    """Logits [N, 18] that are 0 but for the class, which has the margin."""
    logits = np.zeros((len(classes), 18), np.float32)
    logits[np.arange(len(classes)), classes] = margin
    return logits


def result_of(fold: int, model: str, macro_f1: float = 0.5) -> FoldResult:
    """What a finished fold of one epoch says; model: stands for the SHA-256 of its weights."""
    parts = ("start", "build", "train", "evaluate", "predict", "checkpoint")
    return FoldResult(
        fold=fold,
        macro_f1=macro_f1,
        accuracy=macro_f1,
        best_epoch=1,
        epochs=1,
        images=FoldImages(1, 1, 1),
        checkpoint=f"epoch-{fold}",
        model_sha256=model,
        threads=1,
        device="cpu",
        precision="float32",
        channels_last=False,
        time_s=dict.fromkeys(parts, 0.0),
    )
