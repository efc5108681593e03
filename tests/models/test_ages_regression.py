"""Age as a number: groups by a normal spread, against scipy; what the loss pulls at."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import age_part, target_of_ages, unused
from scipy.stats import norm

from maskcls.models.ages import regression
from maskcls.models.ages.regression import Regression, Settings
from maskcls.models.target import Target
from tests.tasks import MASK


def branch_of(spread: float = 5.0, border: int = 60) -> Regression:
    torch.manual_seed(0)
    branch = regression.build(Settings(spread=spread), 3, age_part((30, border)))
    assert isinstance(branch, Regression)
    return branch


def scaled(years: list[float]) -> torch.Tensor:
    """Outputs that mean these ages, float64 [B, 1]: where the loss says there is no error."""
    low, high = _zero_of(20), _zero_of(60)
    shares = (torch.tensor(years, dtype=torch.float64) - 20) / 40
    return (low + (high - low) * shares)[:, None]


def _zero_of(age: int) -> float:
    """Where the loss (output - wanted)^2 of an age is 0: its slope at 0 is -2 wanted."""
    output_11 = torch.zeros(1, 1, requires_grad=True)
    branch_of().loss(output_11, target_of_ages([age]), unused).sum().backward()  # type: ignore[no-untyped-call]
    assert output_11.grad is not None
    return -output_11.grad.item() / 2


@given(
    st.lists(st.floats(0, 90), min_size=1, max_size=9),
    st.floats(0.5, 20),
    st.integers(31, 60),
)
@settings(deadline=None, max_examples=30)
def test_groups_are_those_of_a_normal_spread_around_the_age(
    years: list[float], spread: float, border: int
) -> None:
    log_probs_B3 = branch_of(spread, border).log_probs(scaled(years))
    under = norm.cdf([29.5, border - 0.5], loc=np.array(years)[:, None], scale=spread)
    wanted_B3 = np.stack([under[:, 0], under[:, 1] - under[:, 0], 1 - under[:, 1]], axis=1)
    np.testing.assert_allclose(log_probs_B3.exp().numpy(), wanted_B3, atol=2e-5)
    assert log_probs_B3.isfinite().all()


@pytest.mark.parametrize("border", [60, 58])
def test_whole_ages_are_in_their_own_group(border: int) -> None:
    ages = list(range(18, 61))
    log_probs_B3 = branch_of(border=border).log_probs(scaled([float(age) for age in ages]))
    groups = [(age >= 30) + (age >= border) for age in ages]
    assert log_probs_B3.argmax(dim=1).tolist() == groups


def test_half_a_year_before_the_border_is_undecided() -> None:
    # At 29.5 half lies on either side of 30; with so small a spread nothing reaches 60.
    probs_B3 = branch_of(spread=1.0).log_probs(scaled([29.5, 59.5])).exp()
    assert probs_B3[0].tolist() == pytest.approx([0.5, 0.5, 0], abs=1e-5)
    assert probs_B3[1].tolist() == pytest.approx([0, 0.5, 0.5], abs=1e-5)


def test_a_mixed_image_has_the_mean_age_of_its_parts() -> None:
    one = target_of_ages([20, 40])
    share = torch.tensor([[0.25, 0.75]])
    both = Target(share @ one.classes_BK, share @ one.ages_BR, MASK)  # 20/4 + 40 * 3/4 = 35
    for output in (-2.0, -0.3, 0.0, 0.4, 2.0):
        output_11 = torch.tensor([[output]])
        mixed_B = branch_of().loss(output_11, both, unused)
        torch.testing.assert_close(
            mixed_B, branch_of().loss(output_11, target_of_ages([35]), unused)
        )


def test_the_loss_is_the_squared_error_on_one_scale_for_all_ages() -> None:
    branch = branch_of()
    outputs_B1 = scaled([20, 20, 20, 44]).float()
    loss_B = branch.loss(outputs_B1, target_of_ages([20, 25, 30, 34]), unused)
    # Errors of 0, 5, 10 and -10 years.
    assert loss_B[0].item() == pytest.approx(0, abs=1e-9)
    assert (loss_B / loss_B[1])[1:].tolist() == pytest.approx([1, 4, 4], rel=1e-3)
    assert loss_B[1].item() == pytest.approx((5 / 15) ** 2, rel=1e-3)  # in units of 15 years
