"""Runs that make an ensemble worse, and folds that lie below the others, are named; others are not."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.statistics.harm import low_folds, without_each
from maskcls.statistics.rows import Rows
from tests.statistics.answers_factory import made_up
from tests.tasks import FRUIT, SKIN


def test_noise_is_named_and_what_helps_is_not() -> None:
    found = without_each(FRUIT, made_up([1.5, 1.5, 0.0], people=100), [1, 1, 1])
    assert [one.is_harmful for one in found] == [False, False, True]
    assert found[2].difference > 0 > found[0].difference
    assert without_each(FRUIT, made_up([1.0]), [1]) == []


def test_a_run_of_no_weight_to_speak_of_harms_nobody() -> None:
    found = without_each(FRUIT, made_up([1.5, 1.5, 0.0], people=100), [1, 1, 1e-6])
    assert not any(one.is_harmful for one in found)


def rows_in_folds(weaker: float, seed: int = 0, people: int = 100) -> Rows:
    """Of five folds, of which the fourth is weaker."""
    answers = made_up([2.0], people=people, seed=seed)
    folds = answers.groups % 5
    own = np.eye(4)[answers.labels] * (folds == 3)[:, None]
    return Rows(answers.labels, answers.values[0] - weaker * own, answers.groups, folds)


def test_a_weak_fold_is_named() -> None:
    found = low_folds(FRUIT, [(rows_in_folds(1.5), 5)])
    assert [one.fold for one in found if one.is_low] == [3]
    assert found[3].score < found[3].others
    other = low_folds(FRUIT, [(rows_in_folds(0, seed=1), 5), (rows_in_folds(1.5), 5)])
    assert [(one.run, one.fold) for one in other if one.is_low] == [(1, 3)]


def test_folds_that_are_alike_are_named_as_seldom_as_five_percent_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("maskcls.statistics.harm._DEALS", 199)
    found = [low_folds(FRUIT, [(rows_in_folds(0, seed), 5)]) for seed in range(100)]
    named = sum(any(one.is_low for one in folds) for folds in found)
    assert named <= 11  # of 100 at 5 %: fewer than one series in a hundred has more


def test_repeats_are_tested_one_by_one() -> None:
    rows = rows_in_folds(1.5)
    twice = Rows(
        np.tile(rows.labels, 2), np.tile(rows.logits, (2, 1)), np.tile(rows.groups, 2),
        np.concatenate([rows.folds, 5 + rows.folds]),
    )  # fmt: skip
    found = low_folds(FRUIT, [(twice, 5)])
    assert [one.fold for one in found if one.is_low] == [3, 8]
    alone = low_folds(FRUIT, [(rows, 5)])
    assert found[3].p == pytest.approx(2 * alone[3].p)


def test_too_few_folds_or_groups_or_an_undefined_score_name_nothing() -> None:
    rows = rows_in_folds(1.5)
    assert low_folds(FRUIT, [(replace(rows, folds=rows.folds % 2), 2)]) == []
    assert low_folds(FRUIT, [(rows_in_folds(1.5, people=40), 5)]) == []
    two = replace(rows, labels=(rows.folds != 3).astype(np.int64), logits=rows.logits[:, :2])
    assert low_folds(SKIN, [(two, 5)]) == []
