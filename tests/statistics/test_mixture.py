import numpy as np
import pytest

from maskcls.statistics.mixture import Equations, concentrations, constrained, solve, whiten
from tests.statistics.shifted import SHARES

MEANS = np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.3], [0.1, 0.2, 0.6]])
TRAINING = np.array(SHARES)


def _equations(shares: list[float], deviation: float) -> Equations:
    return Equations(MEANS, MEANS @ np.array(shares), np.eye(3) * deviation**2)


def test_exact_equations_give_the_shares() -> None:
    assert solve(_equations([0.2, 0.3, 0.5], 1e-4), TRAINING) == pytest.approx(
        [0.2, 0.3, 0.5], abs=1e-3
    )


def test_without_a_shift_the_training_shares_are_kept() -> None:
    assert solve(_equations(list(SHARES), 0.02), TRAINING) == pytest.approx(SHARES, abs=1e-3)


def test_less_precise_equations_are_shrunk_further() -> None:
    found = [solve(_equations([0.2, 0.3, 0.5], d), TRAINING) for d in (0.01, 0.1, 1.0)]
    far = [np.abs(shares - TRAINING).sum() for shares in found]
    assert far[0] > far[1] > far[2]
    assert far[2] < 0.1


def test_shares_are_shares_whatever_was_found() -> None:
    impossible = Equations(MEANS, np.array([-0.5, 0.0, 1.5]), np.eye(3) * 1e-4)
    found = solve(impossible, TRAINING)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def test_a_shift_is_believed_and_none_is_not() -> None:
    of_shift, of_none = (
        concentrations(MEANS / 0.02, MEANS @ np.array(shares) / 0.02, TRAINING)
        for shares in ([0.1, 0.2, 0.7], SHARES)
    )
    assert of_shift.sum() == pytest.approx(1)
    assert of_shift[:4].sum() > 0.9
    assert of_none[:4].sum() < 0.1


def test_directions_that_do_not_vary_are_left_out() -> None:
    covariance = np.diag([4.0, 1.0, 0.0])
    whitening = whiten(covariance)
    assert len(whitening) == 2
    assert whitening @ covariance @ whitening.T == pytest.approx(np.eye(2))


def test_unshrunk_they_are_quapys_soft_adjusted_count() -> None:
    # quapy 0.2.3: ACC.solve_adjustment(MEANS, found, "inversion", solver="minimize").
    told_by_quapy = [
        ([0.30, 0.40, 0.30], [0.2632, 0.4211, 0.3158]),
        ([0.05, 0.30, 0.65], [0.0, 0.0, 1.0]),
    ]
    for found, told in told_by_quapy:
        shares = constrained(MEANS, np.array(found), TRAINING, -1.0)
        assert shares == pytest.approx(told, abs=2e-3)
