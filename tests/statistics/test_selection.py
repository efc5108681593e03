"""The gain of a selection on groups it was not chosen on."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.task import MetricName
from maskcls.statistics import selection
from maskcls.statistics.intervals import interval_of
from maskcls.statistics.selection import against, fit_selection
from tests.statistics.answers_factory import made_up
from tests.tasks import FRUIT


def test_with_noise_among_the_runs_the_selection_is_better_than_the_mean() -> None:
    found = fit_selection(FRUIT, made_up([1.5, 1.5, 0.0], people=150))
    assert found.weights[2] <= 10
    assert found.is_better
    gain = found.over_mean
    assert gain.interval.low <= gain.value <= gain.interval.high
    assert found.over_best.value > 0
    assert (found.parts, found.searched) == (5, 600)


def test_among_runs_that_are_alike_in_sample_gains_are_too_high() -> None:
    found = [fit_selection(FRUIT, made_up([0.7] * 6, people=40, seed=s)) for s in range(12)]
    nested = np.mean([one.over_mean.value for one in found])
    in_sample = np.mean([one.over_mean.in_sample for one in found])
    assert nested < in_sample
    assert nested < 0.01
    # At 5 %, two of twelve are claimed in one of fifty such series.
    assert sum(one.is_better for one in found) <= 2


def test_it_gains_over_the_mean_it_is_given() -> None:
    answers = made_up([1.5, 0.0], people=80)
    even = fit_selection(FRUIT, answers)
    one_sided = fit_selection(FRUIT, answers, [99, 1])
    assert even.over_mean.value > one_sided.over_mean.value + 0.05


@pytest.mark.parametrize("metric", ["auc", "log_loss", "quadratic_kappa"])
def test_every_metric_can_choose(metric: MetricName) -> None:
    task = replace(FRUIT, metric=metric)
    found = fit_selection(task, made_up([1.5, 1.5, 0.0], people=40))
    assert found.over_mean.value > 0
    assert found.weights[2] <= 20


def test_a_search_looks_at_whole_groups_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_LEAST_ROWS", 100)
    monkeypatch.setattr(selection, "_MOST_VALUES", 1)
    found = fit_selection(FRUIT, made_up([1.5, 1.5, 0.0], people=100))
    assert found.searched == 100
    assert found.over_mean.value > 0


def test_few_groups_are_parts_of_their_own_and_one_is_refused() -> None:
    found = fit_selection(FRUIT, made_up([2.0, 1.0], people=3))
    assert found.parts == 3
    for answers in (made_up([1.0, 1.0], people=1), made_up([1.0])):
        with pytest.raises(ValueError, match="two runs and two groups"):
            fit_selection(FRUIT, answers)


def test_a_mean_gains_nothing_over_itself() -> None:
    answers = made_up([1.0, 0.5])
    found = against(FRUIT, answers, answers.values[0], answers.values[0])
    assert (found.gain, found.interval.low, found.interval.high) == (0, 0, 0)
    assert found.own == found.others
    assert found.own == interval_of(answers.score_at(FRUIT, answers.values[0]), 60, shares=True)[0]
    assert fit_selection(FRUIT, answers) == fit_selection(FRUIT, answers)
