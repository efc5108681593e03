"""Held-out rows of a made-up run: what `maskcls train` leaves when it has collected the folds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from maskcls.store.results import Metrics
from maskcls.store.run import EVAL, OOF, Run
from maskcls.store.tables import logits_column, write_table


def write_held_out(
    folder: Path, labels: Sequence[int] | np.ndarray, logits: np.ndarray,
    groups: Sequence[str], folds: Sequence[int] | np.ndarray, images: Sequence[str] | None = None,
    repeats: Sequence[int] | np.ndarray | None = None,
) -> Run:  # fmt: skip
    """Add oof.parquet, eval.parquet (empty) and metrics.json to the folder of run_factory.write_run.

    labels [N], logits [N, K], groups [N], folds [N] within their repeats [N] (None: all 0). images:
    names [N]; None for img0, img1, ...
    """
    run = Run.at(str(folder))
    count = len(labels)
    names = [f"img{number}" for number in range(count)] if images is None else list(images)
    values = np.asarray(logits, np.float32)
    table = pa.table(
        {
            "image": names,
            "group": list(groups),
            "label": np.asarray(labels, np.int16),
            "repeat": np.asarray(np.zeros(count) if repeats is None else repeats, np.int16),
            "fold": np.asarray(folds, np.int16),
            "logits": logits_column(values, np.ones(count, bool)),
            "fault": pa.array([None] * count, pa.string()),
        }
    )
    write_table(run.folder, OOF, table)
    write_table(run.folder, EVAL, pa.table({"image": pa.array([], pa.string())}))
    run.write_metrics(Metrics(None, []))
    return run
