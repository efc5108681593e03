from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.task import Task
from maskcls.statistics.averaging import Gain
from maskcls.statistics.calibration import calibrate_folds, log_probabilities
from maskcls.statistics.forecast import Forecast, forecast
from maskcls.statistics.measures import measure_of
from maskcls.statistics.prior import PriorEstimate, estimate_prior
from maskcls.statistics.rows import Rows
from tests.statistics.shifted import SHARES, THREE, World, world

SHIFTED = (0.2, 0.3, 0.5)


def _told(found: World, task: Task = THREE) -> tuple[Forecast, float]:
    """The forecast, and what one network's answers score."""
    prior = estimate_prior(task, found.rows, found.logits, np.arange(3))
    rows, calibrations = calibrate_folds(task, found.rows)
    shift = np.log(np.maximum(prior.ratio, 1e-9))
    logits = log_probabilities(calibrations[0].apply(found.logits[0])) + shift
    rows = rows.with_logits(rows.logits + shift)
    told = forecast(task, rows, None, prior, len(found.labels))
    scored = Rows(found.labels, logits, found.groups, found.groups * 0)
    measure = measure_of(task, scored)
    return told, float(measure(np.ones((1, scored.num_groups)))[0])


def _training(found: World) -> PriorEstimate:
    training = np.bincount(found.rows.labels, minlength=3) / len(found.rows)
    return PriorEstimate(training, training, training, training, False, "", training[None])


@pytest.mark.parametrize("shares", [SHARES, SHIFTED])
def test_the_interval_covers_what_comes_back(shares: tuple[float, ...]) -> None:
    pairs = [_told(world(shares, seed)) for seed in range(12)]
    covered = [told.interval.low <= got <= told.interval.high for told, got in pairs]
    # At 95 %, fewer than 9 of 12 have a probability of .002.
    assert sum(covered) >= 9
    off = np.mean([told.value - got for told, got in pairs])
    assert abs(off) < 0.03
    # And it is not wide for nothing.
    widths = [told.interval.high - told.interval.low for told, _ in pairs]
    assert np.mean(widths) < 0.25


@pytest.mark.parametrize("metric", ["auc", "log_loss", "accuracy", "quadratic_kappa"])
def test_every_metric_has_a_forecast(metric: str) -> None:
    task = replace(THREE, metric=metric)
    told, got = _told(world(SHIFTED, 1), task)
    assert told.metric == metric
    assert told.interval.low <= told.value <= told.interval.high
    assert told.interval.low < got < told.interval.high


def test_without_shift_it_is_near_the_held_out_value() -> None:
    found = world(SHARES)
    told = forecast(THREE, found.rows, None, _training(found), 10_000)
    value = float(measure_of(THREE, found.rows)(np.ones((1, 300)))[0])
    assert told.value == pytest.approx(value, abs=0.005)


def test_fewer_scored_images_make_it_wider() -> None:
    found = world(SHARES)
    few, many = (forecast(THREE, found.rows, None, _training(found), n) for n in (80, 8_000))
    assert few.interval.high - few.interval.low > 1.5 * (many.interval.high - many.interval.low)


def test_scored_groups_count_and_not_their_images() -> None:
    found = world(SHARES)
    prior = _training(found)
    alike = forecast(THREE, found.rows, None, prior, 800, eval_groups=20)
    apart = forecast(THREE, found.rows, None, prior, 800, eval_groups=200)
    assert alike.interval.high - alike.interval.low > 1.5 * (
        apart.interval.high - apart.interval.low
    )


def test_an_unsure_prior_makes_it_wider() -> None:
    found = world(SHARES)
    sure = replace(_training(found), used=True)
    draws = np.random.default_rng(0).dirichlet([2.0, 2.0, 2.0], 400)
    unsure = replace(sure, draws=draws)
    refused = replace(unsure, used=False)
    one, other, third = (
        forecast(THREE, found.rows, None, p, 8_000) for p in (sure, unsure, refused)
    )
    assert other.interval.high - other.interval.low > 1.3 * (one.interval.high - one.interval.low)
    assert third == one  # it is said to be of the training shares


def test_what_choosing_adds_to_the_held_out_score_is_taken_off() -> None:
    found = world(SHARES)
    plain, less = (
        forecast(THREE, found.rows, None, _training(found), 800, optimism=o) for o in (0.0, 0.02)
    )
    assert less.value == pytest.approx(plain.value - 0.02)
    assert less.interval.low == pytest.approx(plain.interval.low - 0.02)
    loss = replace(THREE, metric="log_loss")
    plain, more = (
        forecast(loss, found.rows, None, _training(found), 800, optimism=o) for o in (0.0, 0.02)
    )
    assert more.value == pytest.approx(plain.value + 0.02)


def test_a_gain_is_added_with_its_uncertainty() -> None:
    found = world(SHARES)
    plain, more, unsure = (
        forecast(THREE, found.rows, None, _training(found), 800, gain=Gain(*gain))
        for gain in ((0.0, 0.0), (0.02, 0.0), (0.02, 0.05))
    )
    assert more.value == pytest.approx(plain.value + 0.02)
    assert more.interval.low == pytest.approx(plain.interval.low + 0.02)
    assert unsure.interval.low < more.interval.low - 0.02
    assert (more.gain.value, plain.gain.value) == (0.02, 0)


def test_a_forecast_is_a_value_that_the_metric_can_have() -> None:
    found = world(SHARES)
    best = forecast(THREE, found.rows, None, _training(found), 800, gain=Gain(0.9, 0.1))
    assert (best.value, best.interval.high) == (1, 1)
    task = replace(THREE, metric="log_loss")
    best = forecast(task, found.rows, None, _training(found), 800, gain=Gain(-9.0, 0.1))
    assert (best.value, best.interval.low) == (0, 0)


def test_answers_that_are_all_right_score_1() -> None:
    found = world(SHARES)
    told = forecast(THREE, found.rows, found.rows.labels, _training(found), 800)
    assert (told.value, told.interval.low, told.interval.high) == (1, 1, 1)


def test_rows_of_one_class_have_no_auc_to_forecast() -> None:
    found = world(SHARES)
    rows = found.rows.where(found.rows.labels == 0)
    told = forecast(replace(THREE, metric="auc"), rows, None, _training(found), 100)
    assert np.isnan([told.value, told.interval.low, told.interval.high]).all()


def test_each_repeat_of_a_row_is_one_image_of_its_group() -> None:
    found = world(SHARES)
    rows = found.rows
    twice = Rows(
        *(np.concatenate([a, a]) for a in (rows.labels, rows.logits, rows.groups)),
        np.concatenate([rows.folds, rows.folds + 3]),
    )
    once, both = (forecast(THREE, r, None, _training(found), 800) for r in (rows, twice))
    assert both.interval.low == pytest.approx(once.interval.low, abs=1e-9)
