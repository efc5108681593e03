"""A collected run with given held-out logits, as far as comparisons read it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import softmax

from maskcls.config.resolve import resolve
from maskcls.core.tally import score_predictions
from maskcls.core.task import Task
from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.results import Metrics, OutOfFold
from maskcls.store.run import OOF, Run
from maskcls.store.tables import logits_column, write_table
from tests.tasks import FRUIT


def write_held_out(
    folder: Path,
    rows: Rows,
    sets: Sequence[str] = (),
    fingerprint: str = "images",
    task: Task = FRUIT,
    repeats: int = 1,
) -> Run:
    """Rows as oof.parquet, with settings, record and metrics; images are named by their row.

    repeats: times that each row is there, with the same logits.
    """
    run = Run(Folder.at(folder))
    run.write_config(resolve("plain", sets=["folds.scheme=kfold", *sets]))
    run.write_task(task)
    run.write_record(Record.new({"fingerprint": fingerprint, "images": len(rows)}))
    images, count = len(rows), len(rows) * repeats
    rows = Rows(*(np.concatenate([of] * repeats) for of in vars(rows).values()))
    columns = {
        "image": [f"{row % images:05}.jpg" for row in range(count)],
        "group": [f"g{group:04}" for group in rows.groups],
        "label": rows.labels.astype(np.int16),
        "repeat": (np.arange(count) // images).astype(np.int16),
        "fold": rows.folds.astype(np.int16),
        "logits": logits_column(rows.logits.astype(np.float32), np.ones(count, bool)),
        "fault": pd.Series([None] * count, dtype="object"),
    }
    write_table(run.folder, OOF, pa.table(columns))
    probs = softmax(rows.logits.astype(np.float64), axis=1)
    score = score_predictions(task, rows.labels, rows.logits.argmax(axis=1), probs)
    run.write_metrics(Metrics(OutOfFold(score, count, 0), []))
    return run
