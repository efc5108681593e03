"""Collects the folds' logits into an out-of-fold table and an eval table, and computes the metrics."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.metrics import score_of
from maskcls.core.tally import Tally
from maskcls.evaluation.fold_logits import FoldLogits, has_logits
from maskcls.evaluation.group_scores import GroupScores
from maskcls.folds import rows as fold_rows
from maskcls.store.results import FoldOfRun, FoldResult, GroupScore, Metrics, OutOfFold, RepeatScore
from maskcls.store.run import EVAL, EVAL_LOGITS, EVAL_TABLE, OOF, TABLE, Run
from maskcls.store.tables import logits_column, read_parts, write_parts

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """The held-out rows of one repeat: those with logits, counted, and the number of those without,
    which could not be decoded."""

    tally: Tally
    num_faults: int


def write_out_of_fold(
    run: Run, results: Sequence[FoldResult], faults: Mapping[int, str],
    groups: GroupScores | None = None,
) -> list[Scored]:  # fmt: skip
    """Write oof.parquet: image, group, label, repeat, fold, logits, fault; returns a Scored per repeat.

    groups: gets all held-out rows. results: of all folds of the run, by number. A repeat has each row of
    its validation folds once, in the table's order; undecodable ones (faults: {row: reason}) have null
    logits. Written part by part, since a run may have millions of rows.
    Raises RuntimeError when a decodable row lacks logits, or has those of two folds.
    """
    # Filled while the parts are written: the logits are read only once.
    scored: list[Scored] = []
    per_repeat = run.config.folds.per_repeat

    def parts() -> Iterator[pa.Table]:
        for repeat in range(len(results) // per_repeat):
            mine = results[repeat * per_repeat : (repeat + 1) * per_repeat]
            found = yield from _repeat_parts(run, repeat, mine, faults, groups)
            scored.append(found)

    write_parts(run.folder, OOF, parts())
    return scored


def _repeat_parts(
    run: Run,
    repeat: int,
    results: Sequence[FoldResult],
    faults: Mapping[int, str],
    groups: GroupScores | None,
) -> Generator[pa.Table, None, Scored]:
    fold_of_row = fold_rows.read_fold_of_row(run.folder, repeat)
    logits_from = []
    for result in results:
        fold = run.fold(result.fold)
        logits_from.append(FoldLogits(fold, fold.held_out_name(result.best_epoch)))
    task, tally = run.task, Tally(run.task)
    start = num_faults = 0
    for part in read_parts(run.folder, TABLE, ["path", "group", "label"]):
        stop = start + part.num_rows
        values_here = np.full((part.num_rows, task.num_classes), np.nan, np.float32)
        # Each fold fills in its own rows; NaN remains where none has the row.
        for reader in logits_from:
            reader.fill(values_here, start)
        held_out = np.flatnonzero(fold_of_row[start:stop] >= 0)
        rows, values = start + held_out, values_here[held_out]
        valid = has_logits(values)
        reasons = [faults.get(row) for row in rows.tolist()]
        _require_reasons(rows, valid, reasons)
        num_faults += int((~valid).sum())
        tally.add(part["label"].to_numpy()[held_out[valid]], values[valid])
        # Only validation rows: with folds.scheme=holdout most rows have no out-of-fold logits.
        kept = part.take(pa.array(rows - start))
        if groups is not None:
            groups.add(kept["group"], kept["label"], values)
        yield pa.table(
            {
                "image": kept["path"],
                "group": kept["group"].cast(pa.string()),
                "label": kept["label"].cast(pa.int16()),
                "repeat": np.full(len(rows), repeat, np.int16),
                "fold": fold_of_row[rows].astype(np.int16),
                "logits": logits_column(values, valid),
                "fault": pa.array(reasons, pa.string()),
            }
        )
        start = stop
    return Scored(tally, num_faults)


def _require_reasons(rows: Int64, valid: npt.NDArray[np.bool_], reasons: list[str | None]) -> None:
    # Missing without a reason is a bug or a damaged file; a score of the rest would be wrong.
    lost = [
        row for row, ok, why in zip(rows, valid, reasons, strict=True) if not ok and why is None
    ]
    if lost:
        raise RuntimeError(f"row {lost[0]} and {len(lost) - 1} more have no logits and no fault")


def write_eval(run: Run, faults: Mapping[int, str]) -> None:
    """Write eval.parquet: image, repeat, fold, logits, fault; a row per eval image and fold.

    faults: {eval row: reason}. Raises RuntimeError when a fold lacks a decodable row.
    """
    write_parts(run.folder, EVAL, _eval_parts(run, faults))


def _eval_parts(run: Run, faults: Mapping[int, str]) -> Iterator[pa.Table]:
    for one in run.folds():
        logits = FoldLogits(one, EVAL_LOGITS)
        repeat, fold = divmod(one.number, run.config.folds.per_repeat)
        start = 0
        for part in read_parts(run.folder, EVAL_TABLE, ["image"]):
            count = part.num_rows
            values = np.full((count, run.task.num_classes), np.nan, np.float32)
            logits.fill(values, start)
            valid = has_logits(values)
            reasons = [faults.get(row) for row in range(start, start + count)]
            lost = sum(why is None for why, ok in zip(reasons, valid, strict=True) if not ok)
            if lost:
                raise RuntimeError(f"{run}: fold {one.number} lacks logits of {lost} images")
            yield pa.table(
                {
                    "image": part["image"],
                    "repeat": np.full(count, repeat, np.int16),
                    "fold": np.full(count, fold, np.int16),
                    "logits": logits_column(values, valid),
                    "fault": pa.array(reasons, pa.string()),
                }
            )
            start += count


def run_metrics(
    scored: Sequence[Scored],
    results: Sequence[FoldResult],
    per_repeat: int,
    groups: GroupScore | None = None,
) -> Metrics:
    """The run's metrics without what the command adds: faults, warnings, times.

    scored: of each repeat; an image without logits does not count, and with several repeats it counts
    once for each. results: of all folds. groups: of the means over
    their images, if they have one label each.
    """
    folds = [FoldOfRun(*divmod(result.fold, per_repeat), result) for result in results]
    rows = sum(one.tally.rows for one in scored)
    if not rows:  # folds.scheme=all
        return Metrics(None, folds)
    whole = Tally.together(scored[0].tally.task, (one.tally for one in scored))
    faults = sum(one.num_faults for one in scored)
    repeats = [_score_of(repeat, one) for repeat, one in enumerate(scored)]
    return Metrics(
        OutOfFold(whole.score(), rows, faults, groups), folds, repeats if len(scored) > 1 else []
    )


def _score_of(repeat: int, scored: Scored) -> RepeatScore:
    values = scored.tally.values()
    return RepeatScore(repeat, score_of(scored.tally.task.metric, values), values)
