"""Scores of means are those that core/tally.py counts, without each part and of all rows."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.metrics import score_of
from maskcls.core.tally import Tally
from maskcls.core.task import MetricName, Part, Task
from maskcls.statistics.mixtures import Mixtures
from tests.statistics.answers_factory import made_up

METRICS: tuple[MetricName, ...] = (
    "macro_f1", "accuracy", "balanced_accuracy", "quadratic_kappa", "auc", "log_loss",
)  # fmt: skip


def task(metric: MetricName, classes: int = 4, absent: str = "skip") -> Task:
    part = Part("label", tuple(map(str, range(classes))))
    return Task("made-up", (part,), metric, absent=absent)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_score_is_that_of_the_rows_outside_of_the_part(
    metric: MetricName, probabilities: bool
) -> None:
    answers = made_up([1.0, 0.5, 0.2], people=20)
    if probabilities:
        values = np.exp(answers.values)
        values /= values.sum(axis=2, keepdims=True)
        answers = replace(answers, values=values, probabilities=True)
    parts = answers.groups % 3
    mixtures = Mixtures(task(metric), answers, parts, 3)
    counts = [2, 0, 1]
    mean = np.average(answers.values.astype(np.float64), axis=0, weights=counts)
    logits = np.log(mean) if probabilities else mean
    for part in range(4):
        rows = parts != part
        values_ = Tally.of(task(metric), answers.labels[rows], logits[rows]).values()
        expected = score_of(metric, values_)
        assert mixtures.score(counts, part) == pytest.approx(expected, abs=1e-6)
        assert mixtures.score([4, 0, 2], part) == mixtures.score(counts, part)


def test_adding_a_run_to_a_total_is_the_same_as_summing_up() -> None:
    answers = made_up([1.0, 0.5, 0.2], people=20)
    parts = answers.groups % 2
    one, other = (Mixtures(task("macro_f1"), answers, parts, 2) for _ in range(2))
    total = one.total([1, 0, 1])
    assert one.score([1, 1, 1], 2, total, 1) == other.score([1, 1, 1], 2)
    one.add(total, 1)
    np.testing.assert_allclose(total, other.total([1, 1, 1]), atol=1e-5)


def test_what_is_not_defined_is_never_chosen() -> None:
    answers = made_up([1.0, 0.5], people=6, classes=2)
    one_class = replace(answers, labels=np.zeros_like(answers.labels))
    mixtures = Mixtures(task("auc", 2), one_class, answers.groups % 2, 2)
    assert mixtures.score([1, 1], 2) == -np.inf


def test_an_absent_class_counts_as_the_task_says() -> None:
    answers = made_up([9.0, 9.0], people=10, classes=3)
    wide = replace(answers, values=np.pad(answers.values, ((0, 0), (0, 0), (0, 1))) - 1)
    parts = answers.groups % 2
    skip = Mixtures(task("macro_f1"), wide, parts, 2).score([1, 1], 2)
    zero = Mixtures(task("macro_f1", absent="zero"), wide, parts, 2).score([1, 1], 2)
    assert zero == pytest.approx(skip * 3 / 4)
