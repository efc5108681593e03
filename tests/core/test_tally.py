"""Rows in parts score as they do together, by scikit-learn's figures; little of them is kept."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from maskcls.core.tally import Tally, confusion, score_predictions
from maskcls.core.task import Part, Task
from tests.tasks import FRUIT, MASK, SKIN

ALL = replace(
    FRUIT, metric="log_loss", also=("auc", "balanced_accuracy", "quadratic_kappa", "macro_f1")
)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def drawn(
    task: Task, count: int, seed: int = 0
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, task.num_classes, count).astype(np.int16)
    return labels, numbers.normal(0, 3, (count, task.num_classes)).astype(np.float32)


@pytest.mark.parametrize("task", [SKIN, ALL], ids=["two classes", "four classes"])
def test_metrics_of_probabilities_are_scikit_learns(task: Task) -> None:
    labels, logits = drawn(task, 300)
    probs = softmax(logits)
    found = Tally.of(task, labels, logits).values()
    ranks = probs[:, 1] if task.num_classes == 2 else probs
    assert found["auc"] == pytest.approx(roc_auc_score(labels, ranks, multi_class="ovr"), abs=1e-9)
    want = log_loss(labels, probs, labels=range(task.num_classes))
    assert found["log_loss"] == pytest.approx(want, rel=1e-9)
    assert list(found) == list(task.metrics)
    given_probs = score_predictions(task, labels, probs.argmax(axis=1), probs).values
    assert given_probs == pytest.approx(found, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 1), *[st.integers(-2, 2)] * 2), min_size=1, max_size=40))
def test_ties_count_half_in_the_auc_of_two_classes(rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows)
    labels, logits = table[:, 0], table[:, 1:].astype(np.float32)
    found = Tally.of(SKIN, labels, logits).values()
    if len(set(labels.tolist())) < 2:
        assert "auc" not in found
        return
    assert found["auc"] == pytest.approx(roc_auc_score(labels, logits[:, 1] - logits[:, 0]))


def test_confident_rows_are_told_apart_where_their_probabilities_are_rounded_to_1() -> None:
    # Their probabilities are 1 in float32, and of the last two also in float64.
    logits = np.array([[0, 20], [0, 22], [0, 40], [0, 42]], np.float32)
    assert Tally.of(SKIN, [0, 1, 0, 1], logits).values()["auc"] == 0.75
    third = np.pad(logits, ((0, 0), (0, 2)), constant_values=-100)[:2]
    assert Tally.of(ALL, [0, 1], third).values()["auc"] == 1


def test_log_loss_is_clipped() -> None:
    logits = np.array([[0, 1000], [1000, 0]], np.float32)
    found = Tally.of(SKIN, [0, 0], logits).values()["log_loss"]
    assert found == pytest.approx(-np.log(1e-15) / 2)
    given_probs = score_predictions(SKIN, [0, 0], [1, 0], [[0, 1], [1, 0]])
    assert given_probs.values["log_loss"] == pytest.approx(found)


def test_the_score_of_log_loss_is_its_negative() -> None:
    labels, logits = drawn(ALL, 20)
    score = Tally.of(ALL, labels, logits).score()
    assert score.score == -score.values["log_loss"] < 0


@pytest.mark.parametrize("task", [MASK, FRUIT, SKIN, ALL], ids=["mask", "fruit", "skin", "all"])
@pytest.mark.parametrize("cuts", [(), (1,), (0, 50, 99, 100)])
def test_parts_score_as_all_rows_together(task: Task, cuts: Sequence[int]) -> None:
    labels, logits = drawn(task, 100)
    whole = Tally.of(task, labels, logits)
    parts = Tally(task)
    for rows in np.split(np.arange(100), cuts):
        parts.add(labels[rows], logits[rows])
    assert parts.rows == whole.rows == 100
    assert parts.values() == pytest.approx(whole.values(), rel=1e-12)
    tallies = [Tally.of(task, labels[rows], logits[rows]) for rows in np.split(range(100), cuts)]
    together = Tally.together(task, tallies)
    assert together.values() == pytest.approx(whole.values(), rel=1e-12)
    assert together.score().per_class == whole.score().per_class
    # Adding up does not change what was added.
    assert sum(one.rows for one in tallies) == 100


def test_the_prediction_is_the_first_of_the_highest_logits() -> None:
    logits = np.array([[1, 1, 0, 0], [0, 2, 2, 0]], np.float32)
    assert Tally.of(FRUIT, [0, 1], logits).values()["accuracy"] == 1


def test_no_rows_are_kept_for_metrics_that_do_not_need_them() -> None:
    labels, logits = drawn(MASK, 1000)
    for task, kept in ((MASK, 0), (replace(MASK, metric="log_loss"), 0)):
        tally = Tally.of(task, labels, logits)
        assert sum(rows.nbytes for rows in (*tally._labels, *tally._ranks)) == kept
    labels, logits = drawn(SKIN, 1000)
    assert [rows.nbytes for rows in Tally.of(SKIN, labels, logits)._ranks] == [4000]


def test_a_thousand_classes_are_scored() -> None:
    names = tuple(str(k) for k in range(1000))
    task = Task("many", (Part("label", names),), "accuracy", ("log_loss",))
    labels, logits = drawn(task, 2100)  # in several pieces of what is computed at once
    found = Tally.of(task, labels, logits).values()
    predicted = logits.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(np.mean(predicted == labels))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(log_loss(labels, softmax(logits), labels=range(1000)))


def test_a_confusion_matrix_has_a_row_for_each_label() -> None:
    assert confusion(3, [0, 0, 2], [1, 0, 2]).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([], []), ([0], [0, 1]), ([18], [0]), ([0], [-1]), ([0.0], [0]), ([[0]], [[0]])],
)
def test_other_shapes_and_values_are_refused(labels: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels|predicted"):
        score_predictions(MASK, labels, predicted)


@pytest.mark.parametrize(
    ("labels", "width"), [([0], 3), ([0, 1], 4), ([4], 4), ([], 4), ([0.5], 4)]
)
def test_rows_of_another_task_are_refused(labels: list[int], width: int) -> None:
    with pytest.raises(ValueError, match=r"labels|logits"):
        Tally(FRUIT).add(labels, np.zeros((1, width), np.float32))


@pytest.mark.parametrize("probs", [[[0.5]], [[0.5, 0.5]] * 2, [[np.nan, 0.5]]])
def test_other_probabilities_are_refused(probs: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="probs must be finite"):
        score_predictions(SKIN, [0], [0], probs)
