"""The learning-rate range test: rates rise by one factor, and a diverging loss ends it."""

import itertools

import pytest
from fold_factory import TinyRun

from maskcls.core.errors import UserError
from maskcls.training.lr_range import range_test


def test_rates_rise_by_one_factor_from_low_to_high(fold_factory: TinyRun) -> None:
    found = range_test(fold_factory.job, 1e-6, 1e-4, 7)
    assert len(found.lr) == len(found.loss) == len(found.smooth) == 7
    assert found.lr[0] == pytest.approx(1e-6)
    assert found.lr[-1] == pytest.approx(1e-4)
    factors = [b / a for a, b in itertools.pairwise(found.lr)]
    assert factors == pytest.approx([factors[0]] * 6)
    assert found.smooth[0] == pytest.approx(found.loss[0])
    assert found.lowest in found.lr
    assert found.steepest <= found.lowest


def test_it_is_repeatable(fold_factory: TinyRun) -> None:
    assert range_test(fold_factory.job, 1e-6, 1e-4, 5) == range_test(
        fold_factory.job, 1e-6, 1e-4, 5
    )


def test_a_loss_that_diverges_at_once_is_one_sentence(fold_factory: TinyRun) -> None:
    with pytest.raises(UserError, match="the loss explodes at once: begin lower, with --low"):
        range_test(fold_factory.job, 1e18, 1e30, 20)
