"""The formulas against scikit-learn, what a score holds, and how it is shown."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    roc_auc_score,
)

from maskcls.core.metrics import (
    PartScore,
    Score,
    area_under_curve,
    auc,
    of_confusion,
    oriented,
    score_of,
    shown_score,
    shown_values,
)
from maskcls.core.tally import confusion, score_predictions
from maskcls.core.task import Task
from tests.tasks import FRUIT, MASK, SKIN

pairs_of_mask = st.lists(st.tuples(*[st.integers(0, 17)] * 2), min_size=1, max_size=80)
pairs_of_fruit = st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=1, max_size=40)
GRADES = replace(FRUIT, metric="quadratic_kappa", also=("balanced_accuracy",))


@given(pairs_of_mask)
def test_of_the_mask_task_absent_classes_count_as_zero(drawn: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(drawn).T
    found = score_predictions(MASK, labels, predicted)
    want = f1_score(labels, predicted, labels=range(18), average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(want, abs=1e-12)
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert found.score == found.macro_f1
    assert [one.images for one in found.per_class] == list(np.bincount(labels, minlength=18))


@given(pairs_of_fruit)
def test_elsewhere_absent_classes_are_left_out_as_by_scikit_learn(
    drawn: list[tuple[int, int]],
) -> None:
    labels, predicted = np.array(drawn).T
    want = f1_score(labels, predicted, average="macro", zero_division=0)
    assert score_predictions(FRUIT, labels, predicted).macro_f1 == pytest.approx(want, abs=1e-12)


# scikit-learn warns of predictions of a class that no label has, and of a single class.
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@given(pairs_of_fruit)
def test_balanced_accuracy_is_scikit_learns(drawn: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(drawn).T
    found = score_predictions(GRADES, labels, predicted).values["balanced_accuracy"]
    assert found == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-12)


@given(pairs_of_fruit)
def test_kappa_is_scikit_learns_with_a_place_for_each_class(drawn: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(drawn).T
    # There scikit-learn divides 0 by 0.
    assume(len(set(labels.tolist()) | set(predicted.tolist())) > 1)
    found = score_predictions(GRADES, labels, predicted).score
    want = cohen_kappa_score(labels, predicted, labels=range(4), weights="quadratic")
    assert found == pytest.approx(want, abs=1e-12)


def test_kappa_counts_the_distance_of_classes_and_is_1_where_only_one_occurs() -> None:
    near = score_predictions(GRADES, [0, 1, 2, 3], [0, 1, 2, 2]).score
    far = score_predictions(GRADES, [0, 1, 2, 3], [0, 1, 2, 0]).score
    assert near is not None
    assert far is not None
    assert near > far
    assert score_predictions(GRADES, [2, 2], [2, 2]).score == 1


def test_kappa_of_several_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="a task of one part"):
        score_predictions(replace(MASK, also=("quadratic_kappa",)), [1], [1])


ranked_rows = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60)


@given(ranked_rows)
def test_auc_is_scikit_learns_also_with_ties(drawn: list[tuple[bool, int]]) -> None:
    positive, rank = (np.array(column) for column in zip(*drawn, strict=True))
    assume(0 < positive.sum() < len(positive))
    want = roc_auc_score(positive, rank)
    assert area_under_curve(positive, rank) == pytest.approx(want, abs=1e-12)


def test_auc_of_several_classes_is_the_mean_of_those_that_occur() -> None:
    numbers = np.random.default_rng(0)
    labels, ranks = numbers.integers(0, 4, 200), numbers.dirichlet(np.ones(4), 200)
    want = roc_auc_score(labels, ranks, multi_class="ovr", average="macro")
    assert auc(labels, ranks, 4) == pytest.approx(want, abs=1e-12)
    # Class 3 does not occur: scikit-learn refuses, the mean is over the others.
    some = labels < 3
    want = np.mean([roc_auc_score(labels[some] == k, ranks[some, k]) for k in range(3)])
    assert auc(labels[some], ranks[some], 4) == pytest.approx(want, abs=1e-12)


def test_rows_of_one_class_have_no_auc() -> None:
    assert auc(np.ones(3, np.int64), np.array([0.1, 0.2, 0.3]), 2) is None
    assert auc(np.full(3, 2), np.zeros((3, 4)), 4) is None
    found = score_predictions(SKIN, [1, 1], [0, 1], [[0.6, 0.4], [0.1, 0.9]])
    assert found.score is None
    assert list(found.values) == ["accuracy", "log_loss", "macro_f1"]


def test_all_classes_right_is_one() -> None:
    full = score_predictions(MASK, np.arange(18), np.arange(18))
    assert full.macro_f1 == 1
    assert full.parts["age"] == PartScore(macro_f1=1.0, accuracy=1.0)


def test_an_absent_class_counts_zero_or_is_skipped() -> None:
    # Right about the two classes there are: 2 of 18.
    assert score_predictions(MASK, [0, 4], [0, 4]).macro_f1 == pytest.approx(2 / 18)
    skips = replace(MASK, absent="skip")
    assert score_predictions(skips, [0, 4], [0, 4]).macro_f1 == 1
    # So do the parts: all masks are worn, all ages in the first two groups.
    assert score_predictions(skips, [0, 4], [0, 4]).parts["mask"].macro_f1 == 1


def test_worked_example() -> None:
    # Class 1 (worn, male, 30-59): one hit, one miss; the miss was called class 4 (its woman).
    full = score_predictions(MASK, [1, 1, 4], [1, 4, 4])
    assert asdict(full.per_class[1]) == {
        "number": 1,
        "name": "worn, male, 30-59",
        "f1": pytest.approx(2 / 3),
        "precision": 1.0,
        "recall": 0.5,
        "images": 2,
        "interval": None,
    }
    assert full.accuracy == pytest.approx(2 / 3)
    # All masks worn, all ages in the middle: one of three labels each, right throughout.
    third = {"macro_f1": pytest.approx(1 / 3), "accuracy": 1.0, "interval": None}
    assert asdict(full.parts["mask"]) == third
    assert asdict(full.parts["age"]) == third
    # male: tp 1, fn 1; female: tp 1, fp 1; both F1 2/3.
    assert full.parts["gender"].macro_f1 == pytest.approx(2 / 3)
    assert full.parts["gender"].accuracy == pytest.approx(2 / 3)


def test_the_score_as_json_has_metrics_and_parts_beside_one_another() -> None:
    full = score_predictions(MASK, [1, 1, 4], [1, 4, 4])
    plain = full.to_json()
    assert list(plain) == [
        "metric", "score", "macro_f1", "accuracy", "per_class", "mask", "gender", "age",
    ]  # fmt: skip
    assert (plain["metric"], plain["score"]) == ("macro_f1", plain["macro_f1"])
    assert plain["per_class"][1] == {  # type: ignore[index]
        "class": 1,
        "name": "worn, male, 30-59",
        "f1": pytest.approx(2 / 3),
        "precision": 1.0,
        "recall": 0.5,
        "images": 2,
    }
    assert plain["gender"] == {"macro_f1": pytest.approx(2 / 3), "accuracy": pytest.approx(2 / 3)}
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("task", [MASK, FRUIT, SKIN, GRADES], ids=lambda task: task.metric)
def test_a_score_is_read_as_written(task: Task) -> None:
    probs = np.full((3, task.num_classes), 1 / task.num_classes)
    for given_probs in (probs, None):
        full = score_predictions(task, [1, 0, 1], [1, 1, 1], given_probs)
        written = json.loads(json.dumps(full.to_json() | {"images": 3, "faults": 0}))
        assert Score.from_json(written) == full
        assert bool(full.parts) == (len(task.parts) > 1)


def test_metrics_that_need_probabilities_are_left_out_without_them() -> None:
    full = score_predictions(SKIN, [0, 1], [0, 1])
    assert (full.metric, full.score, full.values) == ("auc", None, {"accuracy": 1, "macro_f1": 1})


def test_only_what_a_task_asks_for_is_computed() -> None:
    counts = confusion(4, [0, 1, 2], [0, 1, 1])
    assert list(of_confusion(FRUIT, counts)) == ["macro_f1", "accuracy"]
    assert list(of_confusion(GRADES, counts)) == [
        "quadratic_kappa", "balanced_accuracy", "macro_f1", "accuracy",
    ]  # fmt: skip


def test_log_loss_ranks_by_its_negative_and_is_shown_as_it_is() -> None:
    assert score_of("log_loss", {"log_loss": 0.35}) == -0.35
    assert oriented("log_loss", -0.35) == 0.35
    assert shown_score("log_loss", -0.35) == "0.3500"
    assert shown_score("log_loss", score_of("log_loss", {"log_loss": 0.0})) == "0.0000"
    assert score_of("auc", {"auc": 0.9}) == 0.9
    assert score_of("auc", {"accuracy": 0.9}) is None
    assert shown_score("auc", None) == "-"


def test_values_are_shown_by_their_titles_the_ranking_one_first() -> None:
    assert shown_values("macro_f1", {"macro_f1": 0.43214, "accuracy": 0.5}) == (
        "macro F1 0.4321  accuracy 0.5000"
    )
    assert shown_values("log_loss", {"accuracy": 0.5, "log_loss": 0.35}, 2) == (
        "log loss 0.35  accuracy 0.50"
    )
    assert shown_values("auc", {"accuracy": 0.5}) == "AUC -  accuracy 0.5000"
