"""A trial's record: what is written is read, who is best, and what is said of a lost one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskcls.core.interval import Interval
from maskcls.core.tally import score_predictions
from maskcls.store.folder import Folder
from maskcls.store.results import Judged, Metrics, OutOfFold
from maskcls.tuning.finalists import _out_of_fold
from maskcls.tuning.trials import (
    FinalScore,
    Trial,
    by_fold_0,
    ranked,
    read_trials,
    shown,
    write_trial,
)
from tests.tasks import MASK

FINAL = FinalScore(0.7, [0.6, 0.8, None], 0.1, 2, Interval(0.95, 0.6, 0.75))
SCORES: list[list[float]] = [[0.9, 0.2], [0.4, 0.5], []]


def test_records_are_read_as_written_and_by_number(tmp_path: Path) -> None:
    root = Folder.at(tmp_path)
    assert read_trials(root) == []
    written = [
        Trial(12, {"optim.lr": 0.01}, "lost", [0.5], "the disk is full"),
        Trial(3, {"loss.name": "focal", "train.batch_size": 32}, "finished", [0.4], None, FINAL),
    ]
    for trial in written:
        write_trial(root, trial)
    (tmp_path / "trials" / "003").mkdir()  # the trial's own run
    assert read_trials(root) == written[::-1]


def test_a_finalist_has_the_interval_of_its_run() -> None:
    known = score_predictions(MASK, np.arange(18), np.arange(18))
    oof = OutOfFold(known, 18, 0, judged=Judged(FINAL.interval, "18 images"))
    assert _out_of_fold(Metrics(oof, [])).interval == FINAL.interval
    assert _out_of_fold(Metrics(replace(oof, judged=None), [])).interval is None


def test_a_finalist_is_before_a_better_fold_0_and_equal_trials_are_by_number() -> None:
    trials = [
        Trial(0, {}, "stopped", [0.95]),
        Trial(1, {}, "finished", [0.9]),
        Trial(2, {}, "finished", [0.8], None, FINAL),
        Trial(4, {}, "refused"),
        Trial(3, {}, "refused"),
    ]
    assert [trial.number for trial in ranked(trials)] == [2, 1, 0, 3, 4]


def test_scores_below_zero_rank_before_none_at_all() -> None:
    trials = [
        Trial(0, {}, "finished", []),
        Trial(1, {}, "finished", [-3.5], None, FinalScore(-3.0, [], None, 0), "log_loss"),
        Trial(2, {}, "finished", [-2.5], None, FinalScore(-1.5, [], None, 0), "log_loss"),
        Trial(3, {}, "finished", [-1.5], metric="log_loss"),
        Trial(4, {}, "finished", [-0.5], None, FinalScore(None, [], None, 0), "log_loss"),
    ]
    assert [trial.number for trial in ranked(trials)] == [2, 1, 4, 3, 0]
    assert [trial.number for trial in by_fold_0(trials)] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("state", "error", "is_open", "is_lost", "note"),
    [
        ("running", None, True, False, ""),
        ("finished", None, False, False, ""),
        ("failed", "loss is nan", False, False, "loss is nan"),
        ("lost", "no node.", True, True, "lost: no node; the same command tries it again"),
        ("finished", "no node", False, True,
         "lost on other folds: no node; the same command tries it again"),
    ],
)  # fmt: skip
def test_what_the_next_start_does(
    state: str, error: str | None, is_open: bool, is_lost: bool, note: str
) -> None:
    trial = Trial(0, {}, state, error=error)  # type: ignore[arg-type]
    assert (trial.is_open, trial.is_lost, trial.note) == (is_open, is_lost, note)


def test_settings_are_shown_shortly() -> None:
    assert Trial(0, {"optim.lr": 0.00123456, "loss.name": "focal"}).words == (
        "optim.lr=0.00123  loss.name=focal"
    )
    assert shown(32) == "32"


def test_with_keep_last_the_last_epoch_of_fold_0_ranks_a_trial() -> None:
    trials = [Trial(k, {}, "finished", scores, keep="last") for k, scores in enumerate(SCORES)]
    assert [t.best for t in trials] == [0.2, 0.5, None]
    assert [t.number for t in by_fold_0(trials)] == [1, 0, 2]
    assert [t.number for t in by_fold_0(replace(t, keep="best") for t in trials)] == [0, 1, 2]
