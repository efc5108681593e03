"""A run's held-out rows with their logits, from oof.parquet: where every judgement of a run begins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.statistics.rows import Rows
from maskcls.store.run import OOF, Run
from maskcls.store.tables import logits_of, read_arrow


@dataclass(frozen=True)
class HeldOut:
    """The rows, and their names.

    images: str [N], as in oof.parquet. groups: str [G], by the numbers in rows.groups. faults: number of
    held-out rows without logits, which are left out of the rest.
    """

    rows: Rows
    images: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    faults: int


def read_held_out(run: Run) -> HeldOut:
    """The held-out rows of a collected run, in the order of oof.parquet.

    Raises UserError for a run that is not collected yet, or has no held-out rows.
    """
    if not run.is_collected:
        raise UserError(
            f"{run}: not all of its folds are done; run its maskcls train command again."
        )
    table = read_arrow(run.folder, OOF, ["image", "group", "label", "repeat", "fold", "logits"])
    logits, valid = logits_of(table["logits"], run.task.num_classes)
    if not valid.any():
        raise UserError(f"{run}: it has no held-out logits (folds.scheme=all), so no score.")
    kept = table.filter(valid)
    groups, codes = np.unique(kept["group"].to_numpy(), return_inverse=True)
    repeat = kept["repeat"].to_numpy().astype(np.int64)
    rows = Rows(
        labels=kept["label"].to_numpy().astype(np.int64),
        logits=logits if valid.all() else logits[valid],
        groups=codes.astype(np.int64),
        folds=repeat * run.config.folds.per_repeat + kept["fold"].to_numpy(),
    )
    return HeldOut(rows, kept["image"].to_numpy(), groups, int((~valid).sum()))
