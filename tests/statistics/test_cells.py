"""The metric under other shares of the classes."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.statistics.cells import Cells, values_under
from maskcls.statistics.measures import measure_of
from tests.statistics.test_decision import drawn
from tests.tasks import FRUIT


def test_a_class_that_counts_twice_is_there_twice() -> None:
    rows = drawn(1, 60)
    answers = rows.logits.argmax(axis=1)
    twice = rows.labels == 2
    places = np.concatenate([np.arange(len(rows)), np.flatnonzero(twice)])
    more = replace(
        rows, labels=rows.labels[places], logits=rows.logits[places], groups=rows.groups[places],
        folds=rows.folds[places],
    )  # fmt: skip
    wanted = float(measure_of(FRUIT, more, predicted=answers[places])(np.ones((1, 60)))[0])
    ratio = np.array([1.0, 1.0, 2.0, 1.0])
    assert Cells(FRUIT, rows, answers).at(ratio, np.ones(60)) == pytest.approx(wanted)


def test_resamples_are_of_groups_and_each_under_the_next_shares() -> None:
    rows = drawn(2, 60)
    first, second = rows.logits.argmax(axis=1), (rows.logits + np.arange(4)).argmax(axis=1)
    ratios = np.array([[1.0, 1.0, 1.0, 1.0], [0.2, 1.0, 3.0, 6.0]])
    found = values_under(FRUIT, rows, [first, second, first], ratios, 200)
    assert found.shape == (200, 3)
    assert (found[:, 0] == found[:, 2]).all()
    every = np.ones(60)
    for turn, ratio in enumerate(ratios):
        for place, answers in enumerate((first, second)):
            mean = found[turn::2, place].mean()
            assert mean == pytest.approx(Cells(FRUIT, rows, answers).at(ratio, every), abs=0.03)
    assert abs(found[::2, 0].mean() - found[1::2, 0].mean()) > 0.03
