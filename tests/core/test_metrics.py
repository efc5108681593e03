"""Scores: the quick ones equal scikit-learn's, the full one has what it promises."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from maskcls.core.metrics import PartScore, Score, accuracy, macro_f1, score

classes = st.integers(0, 17)
pairs = st.lists(st.tuples(classes, classes), min_size=1, max_size=80)


@given(pairs)
def test_quick_scores_equal_scikit_learn(drawn: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(drawn).T
    want = f1_score(labels, predicted, labels=range(18), average="macro", zero_division=0)
    assert macro_f1(labels, predicted) == pytest.approx(want, abs=1e-12)
    assert accuracy(labels, predicted) == pytest.approx(accuracy_score(labels, predicted))


@given(pairs)
def test_full_score_agrees_with_the_quick_ones(drawn: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(drawn).T
    full = score(labels, predicted)
    assert full.macro_f1 == pytest.approx(macro_f1(labels, predicted), abs=1e-12)
    assert full.accuracy == pytest.approx(accuracy(labels, predicted))
    assert [one.images for one in full.per_class] == list(np.bincount(labels, minlength=18))


def test_all_classes_right_is_one() -> None:
    every = np.arange(18)
    assert macro_f1(every, every) == 1
    full = score(every, every)
    assert full.macro_f1 == 1
    assert full.parts["age"] == PartScore(macro_f1=1.0, accuracy=1.0)


def test_absent_class_counts_zero() -> None:
    # Right about the two classes there are: 2 of 18.
    assert macro_f1([0, 4], [0, 4]) == pytest.approx(2 / 18)
    assert score([0, 4], [0, 4]).macro_f1 == pytest.approx(2 / 18)


def test_worked_example() -> None:
    # Class 1 (worn, male, 30-59): one hit, one miss; the miss was called class 4 (its woman).
    full = score([1, 1, 4], [1, 4, 4])
    assert asdict(full.per_class[1]) == {
        "number": 1,
        "name": "worn, male, 30-59",
        "f1": pytest.approx(2 / 3),
        "precision": 1.0,
        "recall": 0.5,
        "images": 2,
    }
    assert full.accuracy == pytest.approx(2 / 3)
    # All masks worn, all ages in the middle: one of three labels each, right throughout.
    assert asdict(full.parts["mask"]) == {"macro_f1": pytest.approx(1 / 3), "accuracy": 1.0}
    assert asdict(full.parts["age"]) == {"macro_f1": pytest.approx(1 / 3), "accuracy": 1.0}
    # male: tp 1, fn 1; female: tp 1, fp 1; both F1 2/3.
    assert full.parts["gender"].macro_f1 == pytest.approx(2 / 3)
    assert full.parts["gender"].accuracy == pytest.approx(2 / 3)


def test_score_can_be_written_as_json() -> None:
    full = score([1, 1, 4], [1, 4, 4])
    plain = full.to_json()
    assert list(plain) == ["macro_f1", "accuracy", "per_class", "mask", "gender", "age"]
    assert plain["per_class"][1] == {
        "class": 1,
        "name": "worn, male, 30-59",
        "f1": pytest.approx(2 / 3),
        "precision": 1.0,
        "recall": 0.5,
        "images": 2,
    }
    assert plain["gender"] == {
        "macro_f1": pytest.approx(2 / 3),
        "accuracy": pytest.approx(2 / 3),
    }
    assert json.loads(json.dumps(plain)) == plain
    assert Score.from_json(json.loads(json.dumps(plain))) == full


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([], []), ([0], [0, 1]), ([18], [0]), ([0], [-1]), ([0.0], [0]), ([[0]], [[0]])],
)
def test_other_shapes_and_values_are_refused(labels: list[int], predicted: list[int]) -> None:
    for measure in (macro_f1, accuracy, score):
        with pytest.raises(ValueError, match=r"labels|predicted"):
            measure(labels, predicted)
