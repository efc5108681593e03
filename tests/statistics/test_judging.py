"""Intervals of a score are those of its values one by one, and cover what is true often enough."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from maskcls.core.tally import Tally
from maskcls.core.task import MetricName
from maskcls.statistics.intervals import interval_of
from maskcls.statistics.judging import intervals_of
from maskcls.statistics.measures import Outcome, measure_of
from maskcls.statistics.rows import Rows
from tests.benchmarks.coverage import MODELS, coverage
from tests.statistics.drawn import EVERY_METRIC, TWO_CLASSES, drawn
from tests.tasks import MASK


def outcome_of(rows: Rows) -> Outcome:
    return Outcome(rows.labels, rows.logits.argmax(axis=1), rows.groups)


def test_the_ranking_metrics_interval_is_that_of_its_measure() -> None:
    rows = drawn(EVERY_METRIC, 40)
    found = intervals_of(EVERY_METRIC, outcome_of(rows))
    assert [found.whole] == interval_of(measure_of(EVERY_METRIC, rows), 40, shares=True)
    assert found.parts == {}


def test_classes_and_parts_have_intervals_around_their_values() -> None:
    rows = drawn(MASK, 80, margin=2.0)
    found = intervals_of(MASK, outcome_of(rows))
    score = found.in_score(Tally.of(MASK, rows.labels, rows.logits).score())
    assert len(score.per_class) == 18
    for one in score.per_class:
        assert (one.interval is None) == (one.images == 0 or one.f1 in (0, 1))
        assert one.interval is None or one.interval.low <= one.f1 <= one.interval.high
    for part in score.parts.values():
        assert part.interval is not None
        assert part.interval.low < part.macro_f1 < part.interval.high
    assert type(score).from_json(score.to_json()) == replace(score, parts=score.parts)


def test_answers_alone_do_not_tell_the_auc() -> None:
    rows = drawn(TWO_CLASSES, 30)
    found = intervals_of(TWO_CLASSES, outcome_of(rows))
    assert found.whole is None
    assert all(found.classes)


def test_of_one_group_nothing_is_known() -> None:
    rows = drawn(EVERY_METRIC, 1)
    found = intervals_of(EVERY_METRIC, outcome_of(rows))
    assert found.whole is None
    assert set(found.classes) == {None}


@pytest.mark.parametrize(
    ("name", "metric", "truth"),  # of 400,000 groups
    [
        ("18 classes, equal groups", "macro_f1", 0.5966),
        ("18 classes, equal groups", "accuracy", 0.6561),
        ("2 classes, 40 groups", "auc", 0.949),
    ],
)
def test_the_truth_is_covered_as_often_as_chance_allows(
    name: str, metric: MetricName, truth: float
) -> None:
    model = next(one for one in MODELS if one.name == name)
    found = coverage(model, metric, truth, 100, 400, ["used"])["used"]
    low, high = binom.ppf([0.001, 0.999], 100, 0.95) / 100
    assert low <= found.covers <= high


def test_18900_images_of_2700_groups_take_seconds() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(2_700), 7)
    labels = rng.integers(0, 18, len(groups))
    predicted = np.where(rng.random(len(groups)) < 0.6, labels, rng.integers(0, 18, len(groups)))
    started = time.process_time()
    assert intervals_of(MASK, Outcome(labels, predicted, groups)).whole is not None
    assert time.process_time() - started < 10  # 5 on an idle machine
