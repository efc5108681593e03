"""At whole weights, each metric is what counting the rows so often gives."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.tally import Tally
from maskcls.core.task import MetricName, Task
from maskcls.statistics.measures import losses_of, measure_of
from maskcls.statistics.rows import Rows
from tests.statistics.drawn import EVERY_METRIC, TWO_CLASSES, drawn
from tests.tasks import MASK

ALL: tuple[MetricName, ...] = EVERY_METRIC.metrics
WEIGHTS = np.random.default_rng(3).poisson(1.0, (12, 25))


def by_counting(task: Task, rows: Rows, weights: np.ndarray, metric: MetricName) -> float:
    often = weights[rows.groups]
    labels, logits = np.repeat(rows.labels, often), np.repeat(rows.logits, often, axis=0)
    return Tally.of(task, labels, logits).values().get(metric, float("nan"))


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("task", [EVERY_METRIC, TWO_CLASSES], ids=["four classes", "two classes"])
@pytest.mark.parametrize("absent", ["skip", "zero"])
def test_a_metric_is_that_of_rows_that_occur_so_often(
    task: Task, metric: MetricName, absent: str
) -> None:
    task = replace(task, absent=absent)  # type: ignore[arg-type]
    rows = drawn(task, WEIGHTS.shape[1])
    found = measure_of(task, rows, metric)(WEIGHTS)
    want = [by_counting(task, rows, weights, metric) for weights in WEIGHTS]
    assert found == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("metric", ALL)
def test_classes_that_a_resample_lacks_count_as_where_they_are_absent(metric: MetricName) -> None:
    rows = drawn(EVERY_METRIC, 25)
    alone = np.zeros((25, 25), np.int64)
    np.fill_diagonal(alone, 2)  # one group of few classes each
    found = measure_of(EVERY_METRIC, rows, metric)(alone)
    want = [by_counting(EVERY_METRIC, rows, weights, metric) for weights in alone]
    assert found == pytest.approx(want, rel=1e-6, nan_ok=True)
    assert np.isnan(found).any() == (metric == "auc")


@pytest.mark.parametrize("metric", ["macro_f1", "accuracy"])
def test_the_mask_task_has_18_classes_of_three_parts(metric: MetricName) -> None:
    rows = drawn(MASK, 40, seed=4, margin=2.0)
    weights = np.random.default_rng(1).poisson(1.0, (5, 40))
    want = [by_counting(MASK, rows, one, metric) for one in weights]
    assert measure_of(MASK, rows, metric)(weights) == pytest.approx(want)


def test_given_answers_count_in_place_of_the_highest_logits() -> None:
    rows = drawn(EVERY_METRIC, 20)
    right = measure_of(EVERY_METRIC, rows, "macro_f1", predicted=rows.labels)
    assert right(np.ones((1, 20))).tolist() == [1.0]


def test_a_metric_of_no_rows_is_not_defined() -> None:
    rows = drawn(EVERY_METRIC, 20)
    nothing = np.zeros((1, 20))
    for metric in (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "auc",
        "log_loss",
        "quadratic_kappa",
    ):
        assert np.isnan(measure_of(EVERY_METRIC, rows, metric)(nothing)).all()


def test_a_row_loses_as_much_as_a_tally_says() -> None:
    task = replace(EVERY_METRIC, metric="log_loss")
    rows = drawn(task, 30)
    certain = rows.with_logits(rows.logits * 100)  # some below the least probability
    for one in (rows, certain):
        want = Tally.of(task, one.labels, one.logits).values()["log_loss"]
        assert losses_of(one).mean() == pytest.approx(want)
