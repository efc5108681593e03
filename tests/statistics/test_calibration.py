import numpy as np
import pytest

from maskcls.statistics.calibration import (
    calibrate_folds,
    design_effect,
    fit_calibration,
    log_probabilities,
)
from maskcls.statistics.reliability import confidence_of, expected_calibration_error
from tests.statistics.shifted import SHARES, THREE, world


def _true_logits(rng: np.random.Generator, count: int):  # type: ignore[no-untyped-def]
    """Logits [N, 3] whose softmax is right, and labels drawn from it."""
    logits = rng.normal(scale=1.5, size=(count, 3)) + np.log(SHARES)
    cumulated = np.exp(log_probabilities(logits)).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > cumulated).sum(axis=1).clip(max=2)


def error_of(labels: np.ndarray, logits: np.ndarray) -> float:
    return expected_calibration_error(confidence_of(logits), logits.argmax(axis=1) == labels)


def test_it_finds_the_temperature_and_the_bias_that_logits_were_spoilt_with() -> None:
    logits, labels = _true_logits(np.random.default_rng(0), 20_000)
    bias = np.array([0.4, -0.3, -0.1])
    found = fit_calibration(THREE, labels, (logits - bias) * 2.5)
    assert found.temperature == pytest.approx(2.5, rel=0.05)
    assert found.bias == pytest.approx(bias, abs=0.06)
    spoilt = error_of(labels, (logits - bias) * 2.5)
    assert spoilt > 0.1
    assert error_of(labels, found.apply((logits - bias) * 2.5)) < 0.015


def test_a_class_without_rows_has_a_finite_bias_and_one_row_hardly_any() -> None:
    logits, labels = _true_logits(np.random.default_rng(1), 2_000)
    kept = labels != 2
    found = fit_calibration(THREE, labels[kept], logits[kept])
    assert np.isfinite(found.bias).all()
    assert np.abs(found.bias).max() < 4
    one = fit_calibration(THREE, labels[:1], logits[:1])
    assert np.abs(one.bias).max() < 0.3


def test_no_rows_change_nothing() -> None:
    found = fit_calibration(THREE, np.empty(0, int), np.empty((0, 3)))
    assert found.temperature == 1
    assert found.apply(np.ones((2, 3))).tolist() == np.ones((2, 3)).tolist()


def test_copies_of_rows_in_their_group_count_once() -> None:
    logits, labels = _true_logits(np.random.default_rng(2), 30)
    once = fit_calibration(THREE, labels, logits * 3, np.arange(30))
    copied = [np.repeat(part, 7, axis=0) for part in (labels, logits * 3, np.arange(30))]
    assert design_effect(copied[1][:, 0], copied[2]) == pytest.approx(7)
    together = fit_calibration(THREE, *copied)
    assert together.bias == pytest.approx(once.bias, abs=1e-3)
    alone = fit_calibration(THREE, *copied[:2])
    assert np.abs(alone.bias - once.bias).max() > 0.01


def test_a_held_out_row_is_not_calibrated_by_itself() -> None:
    rows = world(SHARES).rows
    calibrated, of_fold = calibrate_folds(THREE, rows)
    assert sorted(of_fold) == [0, 1, 2]
    own = rows.where(rows.groups == 0)
    changed = np.where(rows.groups == 0, (rows.labels + 1) % 3, rows.labels)
    others = type(rows)(changed, rows.logits, rows.groups, rows.folds)
    again, of_fold_again = calibrate_folds(THREE, others)
    assert np.array_equal(again.logits[rows.groups == 0], calibrated.logits[rows.groups == 0])
    assert len(own) == 4
    assert of_fold_again[0].bias.tolist() != of_fold[0].bias.tolist()


def test_rows_without_logits_stay_nan() -> None:
    _, of_fold = calibrate_folds(THREE, world(SHARES).rows)
    found = of_fold[0].apply(np.array([[np.nan] * 3, [1.0, 2.0, 3.0]]))
    assert np.isnan(found).tolist() == [[True] * 3, [False] * 3]
