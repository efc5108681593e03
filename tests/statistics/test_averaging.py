"""The gain of averaging networks, against what it is in made-up worlds where it is known."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from maskcls.core.task import MetricName, Task
from maskcls.statistics.averaging import Gain, Spread, averaging_gain
from maskcls.statistics.measures import measure_of
from maskcls.statistics.rows import Rows
from tests.statistics.shifted import THREE

EQUAL = np.ones(3)


@dataclass(frozen=True)
class Networks:
    """Held-out rows of one network each, eval logits [F, M, 3] of all, and the eval labels [M]."""

    rows: Rows
    logits: npt.NDArray[np.float64]
    labels: npt.NDArray[Any]

    def spread(self) -> Spread:
        one, other = self.logits[0], self.logits[1]
        return Spread(one, (one - other) / np.sqrt(2), len(self.logits))

    def value(self, task: Task, logits: npt.NDArray[np.float64]) -> float:
        every = np.arange(len(self.labels))
        rows = Rows(self.labels, logits, every, every * 0)
        return float(measure_of(task, rows)(np.ones((1, len(every))))[0])

    def true_gain(self, task: Task) -> float:
        """What the mean of the networks scores more than one of them, on average of all."""
        single = np.mean([self.value(task, one) for one in self.logits])
        return self.value(task, self.logits.mean(axis=0)) - float(single)


def networks(seed: int, noise: float, count: int = 5, groups: int = 400) -> Networks:
    """Logits with errors that all networks share (1) and errors of each one's own (noise)."""
    rng = np.random.default_rng([4, seed])

    def draw(number: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        labels = rng.choice(3, number, p=[0.5, 0.3, 0.2]).repeat(4)
        shared = 2.0 * np.eye(3)[labels] + rng.normal(size=(len(labels), 3))
        own = noise * rng.normal(size=(count, len(labels), 3))
        return labels, shared + own

    labels, logits = draw(groups)
    names = np.arange(groups).repeat(4)
    folds = names % count
    held_out = Rows(labels, logits[folds, np.arange(len(labels))], names, folds)
    eval_labels, of_eval = draw(2_000)
    return Networks(held_out, of_eval, eval_labels)


def told(found: Networks, task: Task = THREE, ratio: npt.NDArray[Any] = EQUAL) -> Gain:
    answer = (lambda z: z.argmax(axis=1)) if task.metric == "macro_f1" else None
    return averaging_gain(task, found.rows, found.spread(), answer, ratio)


@pytest.mark.parametrize(
    ("noise", "least", "most"), [(0.3, 0.7, 1.2), (0.7, 0.6, 1.0), (1.2, 0.4, 0.8)]
)
def test_it_is_most_of_the_true_gain_and_less_where_networks_differ_much(
    noise: float, least: float, most: float
) -> None:
    # An extrapolation by a polynomial of degree 2 sees too little of a curve that is steep at 0.
    pairs = [(told(one), one.true_gain(THREE)) for one in (networks(s, noise) for s in range(8))]
    share = sum(gain.value for gain, _ in pairs) / sum(true for _, true in pairs)
    assert least < share < most


@pytest.mark.parametrize("metric", ["log_loss", "auc"])
def test_metrics_of_probabilities_gain_too(metric: MetricName) -> None:
    task = replace(THREE, metric=metric)
    found = networks(0, 0.7)
    gain, true = told(found, task), found.true_gain(task)
    assert gain.value / true == pytest.approx(1, abs=0.5)
    assert (gain.value < 0) == (metric == "log_loss")


def test_networks_that_agree_gain_nothing() -> None:
    found = told(networks(0, 0.0))
    assert (found.value, found.deviation) == pytest.approx((0, 0), abs=1e-12)


def test_one_network_and_no_eval_images_gain_nothing() -> None:
    found = networks(0, 0.7)
    spread = found.spread()
    for one in (replace(spread, networks=1), Spread(spread.scores[:0], spread.apart[:0], 5)):
        assert averaging_gain(THREE, found.rows, one, None, EQUAL) == Gain()


def test_more_networks_gain_more() -> None:
    found = networks(0, 0.7)
    values = [
        averaging_gain(
            THREE,
            found.rows,
            replace(found.spread(), networks=n),
            lambda z: z.argmax(axis=1),
            EQUAL,
        ).value
        for n in (2, 5, 25)
    ]
    assert 0 < values[0] < values[1] < values[2]


def test_classes_count_as_often_as_they_are_expected_to() -> None:
    found = networks(0, 0.7)
    # One class alone: its share of right answers, and then only its errors matter.
    only = told(found, replace(THREE, metric="accuracy"), np.array([0.0, 0.0, 1.0]))
    every = told(found, replace(THREE, metric="accuracy"))
    assert only.value != pytest.approx(every.value, abs=1e-4)


def test_of_many_rows_a_part_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = networks(0, 0.7, groups=1_000)
    whole = told(found)
    monkeypatch.setattr("maskcls.statistics.averaging._MOST_ROWS", 2_000)
    assert told(found).value == pytest.approx(whole.value, abs=0.02)


def test_the_same_rows_give_the_same_gain() -> None:
    found = networks(0, 0.7)
    assert told(found) == told(found)
