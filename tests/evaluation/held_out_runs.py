"""Collected runs with given held-out logits, and eval logits of two folds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.metrics import score_of
from maskcls.core.tally import Tally
from maskcls.core.task import Task
from maskcls.store.results import Metrics, OutOfFold
from maskcls.store.run import EVAL, OOF, Run
from maskcls.store.tables import logits_column, write_table
from tests.commands.run_factory import write_run
from tests.tasks import FRUIT

EVAL_IDS = ["x.jpg", "y.jpg", "z.jpg"]


def write_held_out_run(
    folder: Path, images: Sequence[str], groups: Sequence[str], labels: npt.ArrayLike,
    logits: npt.NDArray[np.float32], folds: npt.ArrayLike, task: Task = FRUIT,
    repeats: int = 1, eval_class: int = 0, count: int = 5,
) -> Run:  # fmt: skip
    """Write it. logits: [repeats * N, K], repeat by repeat; folds: [N], the same in each repeat.
    eval_class: what all of its folds answer."""
    per_class = np.eye(task.num_classes, dtype=np.float32)[[eval_class] * len(EVAL_IDS)]
    sets = [f"folds.count={count}", f"folds.repeats={repeats}"]
    eval_logits = [per_class] * (count * repeats)
    run = Run(write_run(folder, EVAL_IDS, eval_logits, sets, task=task, labels=(0, 1)))
    number = len(images)
    there = np.isfinite(logits).all(axis=1)
    table = {
        "image": list(images) * repeats,
        "group": list(groups) * repeats,
        "label": np.tile(np.asarray(labels, np.int16), repeats),
        "repeat": np.repeat(np.arange(repeats, dtype=np.int16), number),
        "fold": np.tile(np.asarray(folds, np.int16), repeats),
        "logits": logits_column(logits.astype(np.float32), there),
    }
    write_table(run.folder, OOF, pa.table(table))
    write_table(run.folder, EVAL, pa.table({"image": EVAL_IDS}))
    tally = Tally.of(task, np.tile(np.asarray(labels), repeats)[there], logits[there])
    assert score_of(task.metric, tally.values()) is not None
    run.write_metrics(Metrics(OutOfFold(tally.score(), tally.rows, 0), []))
    return run
