"""How sure a run's out-of-fold score is, from its files; a part of the rows at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.metrics import oriented
from maskcls.core.tally import Tally, ranks_of
from maskcls.core.task import Task
from maskcls.evaluation.by_group import GroupCodes
from maskcls.statistics.honest import honest_epochs
from maskcls.statistics.judging import drawn_from, intervals_of, note_of
from maskcls.statistics.measures import Outcome, losses_of
from maskcls.statistics.reliability import confidence_of, expected_calibration_error
from maskcls.statistics.rows import Rows
from maskcls.store.results import FoldResult, Judged, OutOfFold
from maskcls.store.run import OOF, TABLE, Run
from maskcls.store.tables import logits_of, read_parts

MOST_IN_CONFUSION = 100
"""Classes; a file for people has no million of numbers."""


def with_judgement(
    run: Run, results: Sequence[FoldResult], oof: OutOfFold, tally: Tally
) -> OutOfFold:
    """The score with its intervals, its honest value and what else tells how far to believe it.

    results: of all folds, by number. oof: of oof.parquet, which is written; tally: of its rows.
    """
    task = run.task
    outcome, confidence, images = _read(run)
    found = intervals_of(task, outcome)
    groups = int(outcome.groups.max()) + 1
    own = [r.metrics[task.metric] for r in results if task.metric in r.metrics]
    right = np.asarray(outcome.predicted == outcome.labels)
    few = task.num_classes <= MOST_IN_CONFUSION
    judged = Judged(
        interval=found.whole,
        interval_by=drawn_from(groups, images),
        interval_note=note_of(groups, images),
        honest=_honest(run, results, oof),
        last_epoch=_value_at(run, results, [r.epochs for r in results], oof),
        fold_mean=float(np.mean(own)) if own else None,
        fold_deviation=float(np.std(own, ddof=1)) if len(own) > 1 else None,
        calibration_error=expected_calibration_error(confidence, right),
        confusion=tally.confusion.tolist() if few else None,
    )
    return replace(oof, score=found.in_score(oof.score), judged=judged)


def _read(run: Run) -> tuple[Outcome, npt.NDArray[np.float32], int]:
    """What the ranking metric needs of all held-out rows, each row's top probability, and the number of
    images, or of groups where no repeat has two images of one."""
    task, codes = run.task, GroupCodes()
    kept: list[tuple[npt.NDArray[Any], ...]] = []
    for part in read_parts(run.folder, OOF, ["group", "label", "repeat", "logits"]):
        logits, valid = logits_of(part["logits"], task.num_classes)
        if not valid.any():
            continue
        groups = codes.of(part["group"].filter(valid).to_pylist())
        labels, repeats = (part[name].to_numpy()[valid] for name in ("label", "repeat"))
        kept.append((*_of_part(task, Rows(labels, logits[valid], groups, groups)), repeats))
    labels, predicted, groups, confidence, extra, repeats = map(
        np.concatenate, zip(*kept, strict=True)
    )
    # A repeat has each image once, so that rows of several repeats are no images.
    of_repeats = groups * run.config.folds.repeats + repeats
    alone = len(np.unique(of_repeats)) == len(groups)
    losses = extra if task.metric == "log_loss" else None
    ranks = extra if task.metric == "auc" else None
    images = len(codes.names) if alone else len(groups)
    return Outcome(labels, predicted, groups, losses, ranks), confidence, images


def _of_part(task: Task, rows: Rows) -> tuple[npt.NDArray[Any], ...]:
    extra: npt.NDArray[Any] = np.empty(0)
    if task.metric == "log_loss":
        extra = losses_of(rows)
    if task.metric == "auc":
        extra = ranks_of(rows.logits)
    confidence = confidence_of(rows.logits).astype(np.float32)
    predicted = rows.logits.argmax(axis=1).astype(np.int16)
    return rows.labels, predicted, rows.groups, confidence, extra


def _honest(run: Run, results: Sequence[FoldResult], oof: OutOfFold) -> float | None:
    if run.config.train.keep == "last":  # no epoch was chosen
        return _value_at(run, results, [r.epochs for r in results], oof)
    per_repeat, epochs = run.config.folds.per_repeat, []
    for start in range(0, len(results), per_repeat):
        # Other repeats' folds have the same images, so that they are not others.
        mine = results[start : start + per_repeat]
        curves = [[e.score for e in run.fold(r.fold).history()][: r.epochs] for r in mine]
        if not all(map(len, curves)):
            return None
        chosen = honest_epochs(curves)
        if chosen is None:
            return None
        epochs += chosen
    return _value_at(run, results, epochs, oof)


def _value_at(
    run: Run, results: Sequence[FoldResult], epochs: Sequence[int], oof: OutOfFold
) -> float | None:
    """The ranking metric out-of-fold, with an epoch for each fold; None where its logits are gone."""
    if [r.best_epoch for r in results] == list(epochs):
        score = oof.score.score
        return None if score is None else oriented(run.task.metric, score)
    tally = Tally(replace(run.task, also=()))
    parts = read_parts(run.folder, TABLE, ["label"])
    labels = np.concatenate([part["label"].to_numpy() for part in parts])
    for result, epoch in zip(results, epochs, strict=True):
        fold = run.fold(result.fold)
        try:
            for part in read_parts(fold.folder, fold.held_out_name(epoch)):
                logits, _ = logits_of(part["logits"], run.task.num_classes)
                tally.add(labels[part["row"].to_numpy()], logits)
        except UserError:  # deleted to save space, or damaged; the score itself does not need it
            return None
    return tally.values().get(run.task.metric) if tally.rows else None
