"""How often each class occurs among a run's training images."""

import numpy as np
import numpy.typing as npt

from maskcls.store.run import TABLE, Run
from maskcls.store.tables import read_parts


def class_shares(run: Run) -> npt.NDArray[np.float64]:
    """The classes' shares, float64 [K], summing to 1; read part by part."""
    size = run.task.num_classes
    parts = read_parts(run.folder, TABLE, ["label"])
    counts = np.sum([np.bincount(p["label"].to_numpy(), minlength=size) for p in parts], axis=0)
    return np.asarray(counts / counts.sum())
