"""F1 of classes and macro F1 of parts at weights, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from maskcls.statistics.class_scores import class_scores, part_scores
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT, MASK

ONCE = np.ones((1, 30))


def test_f1_of_each_class():
    (rows,), _ = made_up_sides(0, 30)
    expected = f1_score(rows.labels, rows.logits.argmax(axis=1), average=None)
    assert class_scores(FRUIT)(rows)(ONCE)[0] == pytest.approx(expected)


def test_weights_count_groups_as_often_as_they_say():
    (rows,), _ = made_up_sides(1, 30)
    weights = np.zeros((1, 30))
    weights[0, :10] = 2
    left = rows.groups < 10
    expected = f1_score(rows.labels[left], rows.logits[left].argmax(axis=1), average=None)
    assert class_scores(FRUIT)(rows)(weights)[0] == pytest.approx(expected)


def test_a_class_without_rows_and_answers_has_none():
    (rows,), _ = made_up_sides(2, 30)
    logits = rows.logits.copy()
    logits[:, 3] = -99
    few = rows.with_logits(logits).where(rows.labels != 3)
    assert class_scores(FRUIT)(few)(np.ones((1, few.num_groups)))[0, 3] == 0


def test_macro_f1_of_each_part():
    (rows,), _ = made_up_sides(3, 30, num_classes=18)
    labels, answers = MASK.codes_of(rows.labels), MASK.codes_of(rows.logits.argmax(axis=1))
    expected = [f1_score(labels[p.name], answers[p.name], average="macro") for p in MASK.parts]
    found = part_scores(MASK)(rows)(ONCE)
    assert found.shape == (1, 3)
    assert found[0] == pytest.approx(expected)
