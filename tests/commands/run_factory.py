"""A finished run's folder as `maskcls train` leaves it, without the training: its logits are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.config.resolve import resolve
from maskcls.core.task import Task
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.results import FoldImages, FoldResult
from maskcls.store.run import Faults, Run
from maskcls.store.tables import write_table
from tests.tasks import MASK


def write_run(
    folder: Path,
    image_ids: Sequence[str],
    logits: npt.ArrayLike,
    sets: Sequence[str] = (),
    folds: pd.DataFrame | None = None,
    faults: Mapping[str, str] | None = None,
    done: Sequence[int] | None = None,
    fingerprint: str = "eval images",
    task: Task = MASK,
    groups: Sequence[str] | None = None,
    labels: Sequence[int] = (0, 4, 4, 9),
) -> Folder:
    """Write it.

    logits: [folds, N, K] of the eval images, in the order of image_ids; a row that is NaN is left
    out, as an image that cannot be decoded. sets: beside folds.count. faults: {image: reason}.
    done: numbers of the folds that are finished; None for all. groups: of the eval images. labels: of
    the training images, those that the task has.
    """
    values = np.asarray(logits, np.float32)
    run, faults = Folder.at(folder), dict(faults or {})
    made = Run(run)
    made.write_config(resolve("smoke", sets=sets))
    made.write_task(task)
    made.write_faults(Faults({}, faults, {}))
    made.write_record(Record.new({"eval_fingerprint": fingerprint}))
    known = [label for label in labels if label < task.num_classes]
    columns = {"image": list(image_ids)} | ({} if groups is None else {"group": list(groups)})
    write_table(run, "eval_table.parquet", pa.table(columns))
    write_table(run, "table.parquet", pa.table({"label": np.array(known, np.int16)}))
    if folds is not None:
        write_table(run, "folds.parquet", folds)
    for fold in range(len(values)) if done is None else done:
        rows = np.flatnonzero(np.isfinite(values[fold]).all(axis=1))
        own = made.fold(fold)
        own.write_eval_logits(rows, values[fold][rows])
        own.write_result(result_of(fold, f"{folder.name}-{fold}"))
    return run


def logits_for(
    classes: Sequence[int], margin: float, num_classes: int = 18
) -> npt.NDArray[np.float32]:
    """Logits [N, K] that are 0 but for the class, which has the margin."""
    logits = np.zeros((len(classes), num_classes), np.float32)
    logits[np.arange(len(classes)), classes] = margin
    return logits


def result_of(fold: int, model: str, score: float = 0.5) -> FoldResult:
    """What a finished fold of one epoch says; model: stands for the SHA-256 of its weights."""
    parts = ("start", "build", "train", "evaluate", "predict", "checkpoint")
    return FoldResult(
        fold=fold,
        score=score,
        metrics={"macro_f1": score, "accuracy": score},
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
