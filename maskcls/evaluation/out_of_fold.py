"""From the folds' logits to one out-of-fold table, one eval table and the run's metrics."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.labels import NUM_CLASSES
from maskcls.core.metrics import accuracy, macro_f1, score
from maskcls.evaluation.fold_logits import FoldLogits, has_logits
from maskcls.folds import rows as fold_rows
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, read_parts, write_parts

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]
Int64 = npt.NDArray[np.int64]

_NOT_HELD_OUT = -1


@dataclass(frozen=True)
class Scored:
    """What the score needs of one repeat; all [N], the table's rows.

    labels: official classes. predicted: the likeliest class, -1 for a row without logits.
    num_faults: held-out rows that could not be decoded.
    """

    labels: Int8
    predicted: Int8
    num_faults: int


def write_out_of_fold(
    run: Folder, folds: int, per_repeat: int, faults: Mapping[int, str]
) -> list[Scored]:
    """Write oof.parquet: path, person, label, repeat, fold, logits, fault; what was found, a repeat.

    folds: all of the run; per_repeat: those of one draw of the split. A repeat has each row that one
    of its folds holds out once, in the table's order; undecodable ones (faults: {row: reason}) have
    null logits. Written part by part, since a run may have millions of rows.
    Raises RuntimeError when a sound row is held out by no fold, or by two.
    """
    scored: list[Scored] = []

    def parts() -> Iterator[pa.Table]:
        for repeat in range(folds // per_repeat):
            found = yield from _repeat_parts(run, repeat, per_repeat, faults)
            scored.append(found)

    write_parts(run, "oof.parquet", parts())
    return scored


def _repeat_parts(
    run: Folder, repeat: int, per_repeat: int, faults: Mapping[int, str]
) -> Generator[pa.Table, None, Scored]:
    fold_of_row = fold_rows.read_fold_of_row(run, repeat)
    folds = range(repeat * per_repeat, (repeat + 1) * per_repeat)
    logits_from = [FoldLogits(run, fold, "held_out.parquet") for fold in folds]
    labels, predicted = np.empty(len(fold_of_row), np.int8), np.empty(len(fold_of_row), np.int8)
    start = num_faults = 0
    for part in read_parts(run, "table.parquet", ["path", "person", "label"]):
        stop = start + part.num_rows
        values_here = np.full((part.num_rows, NUM_CLASSES), np.nan, np.float32)
        for reader in logits_from:
            reader.fill(values_here, start)
        held_out = np.flatnonzero(fold_of_row[start:stop] >= 0)
        rows, values = start + held_out, values_here[held_out]
        valid = has_logits(values)
        reasons = [faults.get(row) for row in rows.tolist()]
        _require_reasons(rows, valid, reasons)
        num_faults += int((~valid).sum())
        labels[start:stop] = part["label"].to_numpy()
        predicted[start:stop] = _NOT_HELD_OUT
        predicted[rows[valid]] = values[valid].argmax(axis=1)
        kept = part.take(pa.array(rows - start))
        yield pa.table(
            {
                "path": kept["path"],
                "person": kept["person"].cast(pa.string()),
                "label": kept["label"].cast(pa.int16()),
                "repeat": np.full(len(rows), repeat, np.int16),
                "fold": fold_of_row[rows].astype(np.int16),
                "logits": logits_column(values, valid),
                "fault": pa.array(reasons, pa.string()),
            }
        )
        start = stop
    return Scored(labels, predicted, num_faults)


def _require_reasons(rows: Int64, valid: npt.NDArray[np.bool_], reasons: list[str | None]) -> None:
    lost = [
        row for row, ok, why in zip(rows, valid, reasons, strict=True) if not ok and why is None
    ]
    if lost:
        raise RuntimeError(f"row {lost[0]} and {len(lost) - 1} more have no logits and no fault")


def eval_parts(
    run: Folder, folds: Iterable[int], per_repeat: int, faults: Mapping[int, str]
) -> Iterator[pa.Table]:
    """One row per eval image and fold: ImageID, repeat, fold, logits, fault; fold after fold, in parts.

    folds: running numbers of the folds that are done; per_repeat: folds of one draw of the split.
    faults: {eval row: reason}. Raises RuntimeError when a fold left a sound row out.
    """
    for number in folds:
        logits = FoldLogits(run, number, "eval.parquet")
        repeat, fold = divmod(number, per_repeat)
        start = 0
        for part in read_parts(run, "eval_table.parquet", ["ImageID"]):
            count = part.num_rows
            values = np.full((count, NUM_CLASSES), np.nan, np.float32)
            logits.fill(values, start)
            valid = has_logits(values)
            reasons = [faults.get(row) for row in range(start, start + count)]
            lost = sum(why is None for why, ok in zip(reasons, valid, strict=True) if not ok)
            if lost:
                raise RuntimeError(f"{run}: fold {number} lacks logits of {lost} images")
            yield pa.table(
                {
                    "ImageID": part["ImageID"],
                    "repeat": np.full(count, repeat, np.int16),
                    "fold": np.full(count, fold, np.int16),
                    "logits": logits_column(values, valid),
                    "fault": pa.array(reasons, pa.string()),
                }
            )
            start += count


def run_metrics(
    scored: list[Scored], folds: list[dict[str, Any]], per_repeat: int
) -> dict[str, Any]:
    """The run's metrics.json, less its times.

    scored: of each repeat; an image without logits does not count, and with several repeats it counts
    once for each. folds: each fold's fold.json. "oof" is None when nobody was held out.
    """
    labels = np.concatenate([one.labels[one.predicted >= 0] for one in scored])
    predicted = np.concatenate([one.predicted[one.predicted >= 0] for one in scored])
    numbered = [f | dict(zip(("repeat", "fold"), divmod(f["fold"], per_repeat), strict=True))
                for f in folds]  # fmt: skip
    if not len(labels):
        return {"oof": None, "folds": numbered}
    oof = score(labels, predicted)
    oof |= {"images": len(labels), "faults": sum(one.num_faults for one in scored)}
    metrics: dict[str, Any] = {"oof": oof, "folds": numbered}
    if len(scored) > 1:
        metrics["repeats"] = [
            {"repeat": repeat} | _score_of(one) for repeat, one in enumerate(scored)
        ]
    return metrics


def _score_of(scored: Scored) -> dict[str, float]:
    there = scored.predicted >= 0
    labels, predicted = scored.labels[there], scored.predicted[there]
    return {"macro_f1": macro_f1(labels, predicted), "accuracy": accuracy(labels, predicted)}
