"""How sure a run's score is, from its files: nothing is needed that was deleted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.core.history import EpochEntry
from maskcls.core.tally import Tally
from maskcls.evaluation.judged import with_judgement
from maskcls.evaluation.out_of_fold import Scored, run_metrics, write_out_of_fold
from maskcls.statistics.judging import NO_GROUPS
from maskcls.store.results import FoldResult, Metrics, OutOfFold
from maskcls.store.run import Run
from tests.evaluation.test_out_of_fold import (
    FAULTS,
    HOLDOUT,
    IMAGES,
    KFOLD,
    NUM_ROWS,
    Finished,
    logits_of_rows,
    write_run,
)
from tests.tasks import MASK

CURVES = ([0.9, 0.1], [0.8, 0.2], [0.1, 0.7])
"""Each fold's two epochs: the other folds choose 1, 1 and 1, of which the third has another best."""


def judged(made: Finished, results: list[FoldResult]) -> OutOfFold:
    scored = write_out_of_fold(made.run, results, FAULTS)
    oof = run_metrics(scored, results, made.per_repeat).oof
    assert oof is not None
    whole = Tally.together(MASK, [one.tally for one in scored])
    return with_judgement(made.run, results, oof, whole)


def trained(tmp_path: Path) -> tuple[Finished, list[FoldResult]]:
    made, results = write_run(tmp_path, KFOLD, 3), []
    for fold, scores in enumerate(CURVES):
        history = [
            EpochEntry(n, 0.1, 1.0, score, {"macro_f1": score}, 9, 1.0, 1.0, 1.0, "")
            for n, score in enumerate(scores, 1)
        ]
        made.run.fold(fold).write_history(history)
        best = int(np.argmax(scores)) + 1
        results.append(replace(made.results[fold], best_epoch=best, epochs=2))
    # Epochs that differ in more than a constant: the second one is right everywhere.
    labels = made.frame["label"].to_numpy()
    of_row = np.repeat(KFOLD[0], IMAGES)
    for fold in range(3):
        rows = np.array([r for r in np.flatnonzero(of_row == fold) if r not in FAULTS])
        right = np.zeros((len(rows), 18), np.float32)
        right[np.arange(len(rows)), labels[rows]] = 9
        made.run.fold(fold).write_held_out(2, rows, right)
    return made, results


def of_first_epochs(made: Finished) -> float:
    rows = [r for r in range(NUM_ROWS) if r not in FAULTS]
    folds = np.repeat(KFOLD[0], IMAGES)
    logits = np.concatenate([logits_of_rows(int(folds[r]), [r]) for r in rows])
    labels = made.frame["label"].to_numpy()[rows]
    return Tally.of(MASK, labels, logits).values()["macro_f1"]


def test_the_honest_score_has_the_epochs_that_other_folds_choose(tmp_path: Path) -> None:
    made, results = trained(tmp_path)
    found = judged(made, results).judged
    assert found is not None
    assert [r.best_epoch for r in results] == [1, 1, 2]
    assert found.honest == pytest.approx(of_first_epochs(made))
    present = len(set(made.frame["label"][[r for r in range(NUM_ROWS) if r not in FAULTS]]))
    assert found.last_epoch == pytest.approx(present / 18)  # absent classes count as 0


def test_without_an_epochs_logits_only_what_needs_them_is_missing(tmp_path: Path) -> None:
    made, results = trained(tmp_path)
    third = made.run.fold(2)
    third.folder.delete(third.held_out_name(1))
    found = judged(made, results).judged
    assert found is not None
    assert found.honest is None
    assert found.last_epoch is not None
    assert found.interval is not None


def test_the_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    made, results = trained(tmp_path)
    oof = judged(made, results)
    made.run.write_metrics(Metrics(oof, []))
    read = Run.at(str(tmp_path)).metrics()
    assert read is not None
    assert read.oof == oof
    values = oof.to_json()
    assert set(values["interval"]) == {"level", "low", "high"}  # type: ignore[call-overload]
    assert values["interval_by"] == "6 groups"
    assert np.sum(values["confusion"]) == NUM_ROWS - len(FAULTS)  # type: ignore[arg-type]
    assert values["calibration_error"] == oof.judged.calibration_error  # type: ignore[union-attr]
    # Files of earlier versions have none of it.
    old = {n: v for n, v in values.items() if n not in ("interval", "interval_by", "honest")}
    assert OutOfFold.from_json(old).judged is None


def test_groups_of_one_image_each_are_images_whatever_the_table_calls_them(tmp_path: Path) -> None:
    # Two repeats have each of the six images once.
    made = write_run(tmp_path, [KFOLD[0], KFOLD[0][::-1]], 3)
    assert judged(made, made.results).judged.interval_by == "6 groups"  # type: ignore[union-attr]
    table = pd.read_parquet(tmp_path / "oof.parquet")
    table.groupby(["group", "repeat"]).head(1).to_parquet(tmp_path / "oof.parquet")
    scored = [Scored(Tally.of(MASK, np.arange(18), np.eye(18)), 0)]
    oof = run_metrics(scored, made.results, made.per_repeat).oof
    assert oof is not None
    found = with_judgement(made.run, made.results, oof, scored[0].tally).judged
    assert found is not None
    assert found.interval_by == "6 images"
    assert found.interval_note == NO_GROUPS


def test_a_single_fold_has_no_honest_score(tmp_path: Path) -> None:
    made = write_run(tmp_path, HOLDOUT, 1)
    found = judged(made, made.results).judged
    assert found is not None
    assert (found.honest, found.fold_deviation) == (None, None)
    assert found.last_epoch is not None
