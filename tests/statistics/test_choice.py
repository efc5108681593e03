"""The choice among ways to decide."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.metrics import oriented
from maskcls.core.task import MetricName
from maskcls.statistics.choice import (
    Corrected,
    choice_optimism,
    choose,
    choose_probabilities,
    judged_probabilities,
    score_interval,
)
from maskcls.statistics.decision import DECIDED, judged
from maskcls.statistics.measures import measure_of
from tests.statistics.test_decision import SHARES, drawn
from tests.tasks import FRUIT

EVEN = np.full(4, 0.25) / SHARES


def test_auto_takes_what_is_surely_better() -> None:
    found = choose(FRUIT, "auto", drawn(1, 1500))
    assert (found.decision.rule, found.corrected) == ("tuned", False)
    balanced = replace(FRUIT, metric="balanced_accuracy")
    rows = drawn(2, 40, knows_shares=0.0)
    kept = choose(balanced, "auto", rows)
    assert kept.decision.rule == "argmax"
    assert not kept.decision.log_weights.any()
    assert np.isfinite(kept.decision.gain)  # of what was refused
    assert (kept.answers == rows.logits.argmax(axis=1)).all()
    asked = choose(balanced, "tuned", rows)
    assert asked.decision.rule == "tuned"


def test_the_prior_corrects_what_is_asked_for() -> None:
    rows = drawn(3, 300)
    corrected = Corrected(rows.with_logits(rows.logits + np.log(EVEN)), EVEN)
    plain = choose(FRUIT, "argmax", rows)
    assert (plain.decision.rule, plain.corrected) == ("argmax", False)
    found = choose(FRUIT, "argmax", rows, corrected)
    assert (found.decision.rule, found.corrected) == ("argmax", True)
    assert found.decision.value > found.decision.plain
    assert (found.answers == corrected.rows.logits.argmax(axis=1)).all()
    auto = choose(FRUIT, "auto", rows, corrected)
    assert auto.decision.is_better
    assert auto.decision.value >= found.decision.value


@pytest.mark.parametrize("metric", ["macro_f1", "quadratic_kappa", "auc", "log_loss"])
@pytest.mark.parametrize("ratio", [None, EVEN])
def test_the_interval_of_a_rules_score_is_around_it(metric: MetricName, ratio: object) -> None:
    task, rows = replace(FRUIT, metric=metric), drawn(5, 100)
    answers = (rows.logits + np.log(EVEN)).argmax(axis=1)
    found = score_interval(task, rows, answers, ratio)  # type: ignore[arg-type]
    if metric in DECIDED:
        value = judged(task, rows, [answers], ratio, 20)[0][0]  # type: ignore[arg-type]
        plain = rows.logits.argmax(axis=1)
        assert found != score_interval(task, rows, plain, ratio)  # type: ignore[arg-type]
    else:
        value = judged_probabilities(task, [rows], ratio, 20)[0][0]  # type: ignore[arg-type]
    assert found.low < value < found.high


def test_an_estimate_has_a_part_only_where_it_surely_helps() -> None:
    task, rows = replace(FRUIT, metric="accuracy"), drawn(3, 300)
    of_prior = Corrected(rows.with_logits(rows.logits + np.log(EVEN)), EVEN)
    noise = np.random.default_rng(0)
    sure = SHARES * EVEN + noise.normal(0, 0.005, (50, 4))
    found = choose(task, "auto", rows, replace(of_prior, possible=sure / SHARES))
    given = choose(task, "auto", rows, of_prior)
    assert found.corrected
    assert (found.decision.measured, found.decision.why) == (
        given.decision.measured,
        given.decision.why,
    )
    assert (found.answers == given.answers).all()
    # Draws on every side of the training shares.
    unsure = noise.dirichlet(2 * SHARES, 50)
    kept = choose(task, "auto", rows, replace(of_prior, possible=unsure / SHARES))
    without = choose(task, "auto", rows)
    assert not kept.corrected
    assert kept.decision.rule == without.decision.rule
    assert kept.decision.log_weights.tolist() == without.decision.log_weights.tolist()
    assert "the estimated shares, which are unsure" in kept.decision.why
    assert (kept.answers == without.answers).all()


@pytest.mark.parametrize("metric", ["auc", "log_loss"])
def test_gains_of_probabilities_are_of_the_metric(metric: MetricName) -> None:
    task, rows = replace(FRUIT, metric=metric), drawn(4, 100)
    sharper = rows.with_logits(rows.logits * 3.0)
    values, intervals = judged_probabilities(task, [rows, sharper], None)
    every = np.ones((1, rows.num_groups))
    for value, one in zip(values, (rows, sharper), strict=True):
        assert value == pytest.approx(float(measure_of(task, one)(every)[0]))
    gain = oriented(metric, 1.0) * (values[1] - values[0])
    assert intervals[1].low <= gain <= intervals[1].high


def test_the_best_of_many_alike_looks_better_than_it_is() -> None:
    """Means of independent noise: the highest of C is above 0 by as much as the theory says."""
    found, true = [], []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(400, 8))
        mean = noise.mean(axis=0)

        def statistic(weights: np.ndarray, noise: np.ndarray = noise) -> np.ndarray:
            return weights @ noise / weights.sum(axis=1, keepdims=True)

        found.append(choice_optimism(FRUIT, statistic, 400))
        true.append(float(mean.max()))
    # Groups drawn again around what is there find about .7 of it: the best one stays the best.
    assert 0.5 * np.mean(true) < np.mean(found) < 1.2 * np.mean(true)
    assert choice_optimism(FRUIT, lambda w: statistic(w)[:, :1], 400) == 0
    # One far above the others is the best in every resample: nothing was chosen.
    apart = np.array([0.0, 5.0])
    assert choice_optimism(FRUIT, lambda w: statistic(w)[:, :2] + apart, 400) < 0.005


def test_probabilities_are_calibrated_or_left() -> None:
    task, rows = replace(FRUIT, metric="log_loss"), drawn(5, 200)
    worse = rows.with_logits(rows.logits * 4.0)
    assert choose_probabilities(task, "auto", worse, rows).decision.rule == "calibrated"
    assert choose_probabilities(task, "auto", rows, worse).decision.rule == "argmax"
    assert choose_probabilities(task, "tuned", rows, worse).decision.rule == "calibrated"
    assert choose_probabilities(task, "argmax", worse, rows).decision.rule == "argmax"
    corrected = Corrected(rows.with_logits(rows.logits + np.log(EVEN)), EVEN)
    found = choose_probabilities(task, "auto", rows, rows, corrected)
    assert (found.decision.rule, found.corrected) == ("calibrated", True)
