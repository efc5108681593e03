"""Class weights: the metric at a candidate is that of the answers, and the climb finds better ones."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.metrics import of_confusion
from maskcls.core.tally import confusion
from maskcls.core.task import MetricName, Part, Task
from maskcls.statistics import class_weights
from maskcls.statistics.class_weights import CANDIDATES, Decidable, best_weights, cells_of
from tests.tasks import FRUIT, MASK

FIVE = Task("grades", (Part("grade", tuple("01234")),), "quadratic_kappa")


def rare_and_frequent(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Labels of four classes, one of them rare, and logits that know the shares."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.6, 0.25, 0.1, 0.05])
    labels = rng.choice(4, size=count, p=shares)
    evidence = rng.normal(size=(count, 4)) + 1.5 * np.eye(4)[labels]
    return labels, 1.5 * evidence + np.log(shares)


def value(task: Task, metric: MetricName, labels: np.ndarray, answers: np.ndarray) -> float:
    counted = replace(task, metric=metric)
    return of_confusion(counted, confusion(task.num_classes, labels, answers))[metric]


def test_a_weight_per_stratum_or_per_class() -> None:
    assert cells_of(MASK).tolist() == list(range(6)) * 3
    assert cells_of(FRUIT).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        (MASK, "macro_f1"), (MASK, "accuracy"), (MASK, "balanced_accuracy"),
        (replace(MASK, absent="skip"), "macro_f1"), (FIVE, "quadratic_kappa"),
    ],
)  # fmt: skip
def test_values_at_candidates_are_those_of_the_answers(task: Task, metric: MetricName) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(task.num_classes - 1, size=150)  # one class is absent
    logits = rng.normal(size=(150, task.num_classes)) + 2 * np.eye(task.num_classes)[labels]
    cells, weights = cells_of(task), rng.normal(size=len(np.unique(cells_of(task))))
    rows = Decidable.of(cells, labels, logits, np.ones(150))
    for cell in (0, 2, 4):
        found = class_weights._values(task, metric, rows, weights, cell)
        for place in (0, 17, 30, 45, 60):
            changed = weights.copy()
            changed[cell] = CANDIDATES[place]
            answers = (logits + changed[cells]).argmax(axis=1)
            assert (rows.decided(changed) == answers).all()
            assert found[place] == pytest.approx(value(task, metric, labels, answers), abs=1e-12)


def test_rows_that_count_twice_are_two_rows() -> None:
    labels, logits = rare_and_frequent(2)
    counts = np.where(labels == 3, 2.0, 1.0)
    twice = np.concatenate([np.arange(600), np.flatnonzero(labels == 3)])
    cells = cells_of(FRUIT)
    weighted = best_weights(FRUIT, "macro_f1", Decidable.of(cells, labels, logits, counts))
    repeated = Decidable.of(cells, labels[twice], logits[twice], np.ones(len(twice)))
    assert weighted.tolist() == best_weights(FRUIT, "macro_f1", repeated).tolist()


def test_the_rare_class_gains_weight_and_other_rows_a_better_score() -> None:
    labels, logits = rare_and_frequent(3, 2000)
    rows = Decidable.of(cells_of(FRUIT), labels, logits, np.ones(2000))
    weights = best_weights(FRUIT, "macro_f1", rows)
    assert weights.sum() == pytest.approx(0)
    assert weights[3] > weights[0] + 0.3
    labels, logits = rare_and_frequent(4, 20_000)
    plain = value(FRUIT, "macro_f1", labels, logits.argmax(axis=1))
    assert value(FRUIT, "macro_f1", labels, (logits + weights).argmax(axis=1)) > plain + 0.01


def test_nothing_to_gain_leaves_the_weights_alone() -> None:
    labels = np.arange(400) % 4
    right = Decidable.of(cells_of(FRUIT), labels, 9.0 * np.eye(4)[labels], np.ones(400))
    assert not best_weights(FRUIT, "macro_f1", right).any()
    one = Decidable.of(cells_of(FRUIT), labels * 0, 9.0 * np.eye(4)[labels], np.ones(400))
    assert not best_weights(FRUIT, "macro_f1", one).any()
