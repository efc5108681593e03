"""Many members' logits to one answer per image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.errors import UserError
from maskcls.core.labels import NUM_CLASSES
from maskcls.store.tables import logits_of

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Members:
    """Logits of M members on the same N images, in one order.

    image_ids: [N]; logits: float32 [M, N, 18], NaN where an image could not be decoded.
    labels: what each member is, such as "runs/a fold 3", [M].
    """

    image_ids: list[str]
    logits: Float32
    labels: list[str]


def members_of(image_ids: list[str], tables: Sequence[tuple[str, pa.Table]]) -> Members:
    """Align eval tables (name of the run, its eval.parquet) with the images of the submission.

    image_ids: in info.csv's order. Every fold of every table becomes a member.
    Raises UserError when a table was made for other images.
    """
    row_of = {name: row for row, name in enumerate(image_ids)}
    logits, labels = [], []
    for run, table in tables:
        names = table["ImageID"].to_pylist()
        if set(names) != set(image_ids):
            odd = sorted(set(names) ^ set(image_ids))
            raise UserError(
                f"{run}: its eval images are not those of the first run ({len(odd)} differ, such as"
                f" {odd[0]}); only runs on the same eval images can be averaged."
            )
        rows = np.array([row_of[name] for name in names])
        values, _ = logits_of(table["logits"])
        fold_of = table["fold"].to_numpy()
        repeat_of = table["repeat"].to_numpy()
        for repeat, fold in sorted(set(zip(repeat_of.tolist(), fold_of.tolist(), strict=True))):
            mine = (fold_of == fold) & (repeat_of == repeat)
            aligned = np.full((len(image_ids), NUM_CLASSES), np.nan, np.float32)
            aligned[rows[mine]] = values[mine]
            logits.append(aligned)
            labels.append(f"{run} fold {fold}" + (f" repeat {repeat}" if repeat else ""))
    return Members(image_ids, np.stack(logits), labels)


def mean_logits(logits: Float32) -> npt.NDArray[np.float64]:
    """Average the members' logits, in float64.

    logits: float32 [M, N, 18], the same rows in the same order for every member. Returns float64
    [N, 18]. A row that is NaN for every member stays NaN; for some, the others decide.
    """
    there = np.asarray(np.isfinite(logits).all(axis=2))
    count = there.sum(axis=0)
    total = np.where(there[:, :, None], logits, 0).sum(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        mean: npt.NDArray[np.float64] = total / count[:, None]
    return mean


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of logits, float64 [N, 18]; NaN rows stay NaN."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs: npt.NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probs
