"""Collects the folds' logits into an out-of-fold table and an eval table, and computes the metrics."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.labels import NUM_CLASSES
from maskcls.core.metrics import accuracy, macro_f1, score
from maskcls.evaluation.fold_logits import FoldLogits, has_logits
from maskcls.folds import rows as fold_rows
from maskcls.store.results import FoldOfRun, FoldResult, Metrics, OutOfFold, RepeatScore
from maskcls.store.run import EVAL, EVAL_LOGITS, EVAL_TABLE, OOF, TABLE, Run
from maskcls.store.tables import logits_column, read_parts, write_parts

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]
Int64 = npt.NDArray[np.int64]

_NOT_HELD_OUT = -1


@dataclass(frozen=True)
class Scored:
    """Labels and predictions of one repeat; all [N], the table's rows.

    labels: official classes. predicted: the likeliest class, -1 for a row without logits.
    num_faults: held-out rows that could not be decoded.
    """

    labels: Int8
    predicted: Int8
    num_faults: int


def write_out_of_fold(
    run: Run, results: Sequence[FoldResult], faults: Mapping[int, str]
) -> list[Scored]:
    """Write oof.parquet: path, person, label, repeat, fold, logits, fault; returns a Scored per repeat.

    results: of all folds of the run, by number. A repeat has each row of its validation folds once, in
    the table's order; undecodable ones (faults: {row: reason}) have null logits. Written part by part,
    since a run may have millions of rows.
    Raises RuntimeError when a decodable row lacks logits, or has those of two folds.
    """
    # Filled while the parts are written: the logits are read only once.
    scored: list[Scored] = []
    per_repeat = run.config.folds.per_repeat

    def parts() -> Iterator[pa.Table]:
        for repeat in range(len(results) // per_repeat):
            mine = results[repeat * per_repeat : (repeat + 1) * per_repeat]
            found = yield from _repeat_parts(run, repeat, mine, faults)
            scored.append(found)

    write_parts(run.folder, OOF, parts())
    return scored


def _repeat_parts(
    run: Run, repeat: int, results: Sequence[FoldResult], faults: Mapping[int, str]
) -> Generator[pa.Table, None, Scored]:
    fold_of_row = fold_rows.read_fold_of_row(run.folder, repeat)
    logits_from = []
    for result in results:
        fold = run.fold(result.fold)
        logits_from.append(FoldLogits(fold, fold.held_out_name(result.best_epoch)))
    # One byte per row: these two stay in memory for all rows, the logits do not.
    labels, predicted = np.empty(len(fold_of_row), np.int8), np.empty(len(fold_of_row), np.int8)
    start = num_faults = 0
    for part in read_parts(run.folder, TABLE, ["path", "person", "label"]):
        stop = start + part.num_rows
        values_here = np.full((part.num_rows, NUM_CLASSES), np.nan, np.float32)
        # Each fold fills in its own rows; NaN remains where none has the row.
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
        # Only validation rows: with folds.scheme=holdout most rows have no out-of-fold logits.
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
    # Missing without a reason is a bug or a damaged file; a score of the rest would be wrong.
    lost = [
        row for row, ok, why in zip(rows, valid, reasons, strict=True) if not ok and why is None
    ]
    if lost:
        raise RuntimeError(f"row {lost[0]} and {len(lost) - 1} more have no logits and no fault")


def write_eval(run: Run, faults: Mapping[int, str]) -> None:
    """Write eval.parquet: ImageID, repeat, fold, logits, fault; a row per eval image and fold.

    faults: {eval row: reason}. Raises RuntimeError when a fold lacks a decodable row.
    """
    write_parts(run.folder, EVAL, _eval_parts(run, faults))


def _eval_parts(run: Run, faults: Mapping[int, str]) -> Iterator[pa.Table]:
    for one in run.folds():
        logits = FoldLogits(one, EVAL_LOGITS)
        repeat, fold = divmod(one.number, run.config.folds.per_repeat)
        start = 0
        for part in read_parts(run.folder, EVAL_TABLE, ["ImageID"]):
            count = part.num_rows
            values = np.full((count, NUM_CLASSES), np.nan, np.float32)
            logits.fill(values, start)
            valid = has_logits(values)
            reasons = [faults.get(row) for row in range(start, start + count)]
            lost = sum(why is None for why, ok in zip(reasons, valid, strict=True) if not ok)
            if lost:
                raise RuntimeError(f"{run}: fold {one.number} lacks logits of {lost} images")
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
    scored: Sequence[Scored], results: Sequence[FoldResult], per_repeat: int
) -> Metrics:
    """The run's metrics without what the command adds: faults, warnings, times.

    scored: of each repeat; an image without logits does not count, and with several repeats it counts
    once for each. results: of all folds.
    """
    labels = np.concatenate([one.labels[one.predicted >= 0] for one in scored])
    predicted = np.concatenate([one.predicted[one.predicted >= 0] for one in scored])
    folds = [FoldOfRun(*divmod(result.fold, per_repeat), result) for result in results]
    if not len(labels):  # folds.scheme=all
        return Metrics(None, folds)
    faults = sum(one.num_faults for one in scored)
    repeats = [_score_of(repeat, one) for repeat, one in enumerate(scored)]
    return Metrics(
        OutOfFold(score(labels, predicted), len(labels), faults),
        folds,
        repeats if len(scored) > 1 else [],
    )


def _score_of(repeat: int, scored: Scored) -> RepeatScore:
    there = scored.predicted >= 0
    labels, predicted = scored.labels[there], scored.predicted[there]
    return RepeatScore(repeat, macro_f1(labels, predicted), accuracy(labels, predicted))
