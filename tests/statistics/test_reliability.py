"""The expected calibration error, by hand."""

import numpy as np
import pytest

from maskcls.statistics.reliability import confidence_of, expected_calibration_error


def test_each_bins_accuracy_is_compared_with_its_confidence() -> None:
    confidence = np.array([0.62, 0.65, 0.95, 0.96])
    right = np.array([True, False, True, True])
    # .6 to .667: accuracy .5, confidence .635; .933 to 1: 1 and .955
    assert expected_calibration_error(confidence, right) == pytest.approx((0.135 + 0.045) / 2)


def test_what_is_sure_and_right_has_no_error() -> None:
    assert expected_calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert expected_calibration_error(np.ones(3), np.zeros(3, bool)) == 1
    assert np.isnan(expected_calibration_error(np.empty(0), np.empty(0, bool)))


def test_drawn_from_its_own_probabilities_there_is_almost_none() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 3))
    confidence = confidence_of(logits)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert confidence == pytest.approx(probs.max(axis=1))
    assert expected_calibration_error(confidence, rng.random(20_000) < confidence) < 0.015
