"""CORN against dlordinal's implementation and by hand; ranks in order for any outputs."""

import math

import numpy as np
import pytest
import torch
from dlordinal.losses import CORNLoss  # type: ignore[import-untyped]
from dlordinal.wrappers.corn import CORNClassifierWrapper  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import AgeKind, target_of_ages, unused
from scipy.special import expit

from maskcls.models.ages.corn import Corn

KINDS = ("groups", "years")
NUM_THRESHOLDS = {"groups": 2, "years": 42}


def corn(ranks: str = "groups", border: int = 60) -> Corn:
    torch.manual_seed(0)
    branch = AgeKind("corn", ranks).build(3, (30, border))
    assert isinstance(branch, Corn)
    return branch


def test_by_hand() -> None:
    # Conditional logits log 3 and log 1/3: f_0 = 3/4, f_1 = 1/4. P(>0) = 3/4, P(>1) = 3/16.
    #   groups: 1/4, 3/4 - 3/16 = 9/16, 3/16
    #   loss of group 0: -log(1/4) / 2                the second threshold does not concern it
    #           group 1: -(log(3/4) + log(3/4)) / 2   the first passed, the second not
    #           group 2: -(log(3/4) + log(1/4)) / 2   both passed
    branch = corn()
    outputs_BD = torch.tensor([[math.log(3), -math.log(3)]]).expand(3, 2)
    probs_3 = branch.log_probs(outputs_BD)[0].exp()
    assert probs_3.tolist() == pytest.approx([1 / 4, 9 / 16, 3 / 16], abs=1e-6)
    loss_B = branch.loss(outputs_BD, target_of_ages([20, 40, 60]), unused)
    wanted = [math.log(4) / 2, math.log(4 / 3), (math.log(4 / 3) + math.log(4)) / 2]
    assert loss_B.tolist() == pytest.approx(wanted, rel=1e-6)


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
@settings(deadline=None, max_examples=30)
def test_it_is_dlordinals_corn_loss_but_for_the_divisor(seed: int, ranks: str) -> None:
    # Theirs is the sum of all terms by the number of pairs of a row and a threshold that concerns
    # it, ours each row's sum by the number of thresholds, so that no row knows of another.
    generator = torch.Generator().manual_seed(seed)
    num = NUM_THRESHOLDS[ranks]
    ages_B = torch.randint(18, 61, (8,), generator=generator)
    ranks_B = ages_B - 18 if ranks == "years" else (ages_B >= 30).long() + (ages_B >= 60).long()
    outputs_BD = 4 * torch.randn(8, num, generator=generator)
    theirs = CORNLoss(num_classes=num + 1)(outputs_BD, ranks_B)
    num_pairs = (ranks_B + 1).clamp(max=num).sum()  # rank r concerns thresholds 0 to r
    loss_B = corn(ranks).loss(outputs_BD, target_of_ages(ages_B.tolist()), unused)
    torch.testing.assert_close(loss_B.sum() * num, theirs * num_pairs, rtol=1e-5, atol=1e-5)


def test_with_one_rank_in_a_batch_the_gradient_is_dlordinals() -> None:
    # All rows 60+ concern both thresholds, so even the divisor agrees: 2 thresholds x 4 rows.
    outputs_BD = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    mine, theirs = (outputs_BD.clone().requires_grad_() for _ in range(2))
    corn().loss(mine, target_of_ages([60] * 4), unused).mean().backward()  # type: ignore[no-untyped-call]
    CORNLoss(num_classes=3)(theirs, torch.full((4,), 2)).backward()
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad, theirs.grad)


class _Given:
    """A network whose answer is known, as dlordinal's wrapper wants one."""

    def __init__(self, logits_BT: torch.Tensor) -> None:
        self.logits_BT = logits_BT

    def predict(self, inputs: object) -> None:
        raise AssertionError("the wrapper predicts from probabilities")

    def predict_proba(self, inputs: object) -> torch.Tensor:
        return self.logits_BT


@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.sampled_from([60, 58]))
@settings(deadline=None, max_examples=30)
def test_dlordinals_rank_is_the_median_of_our_groups(seed: int, ranks: str, border: int) -> None:
    # Theirs counts the thresholds with P(rank > k) above 1/2; it is in a group or beyond it exactly
    # if our groups from there on have more than half.
    num = NUM_THRESHOLDS[ranks]
    logits_BT = 3 + 4 * torch.randn(16, num, generator=torch.Generator().manual_seed(seed))
    rank_B = torch.from_numpy(CORNClassifierWrapper(_Given(logits_BT)).predict(None))
    probs_B3 = corn(ranks, border).log_probs(logits_BT).exp()
    first, second = (1, 2) if ranks == "groups" else (30 - 18, border - 18)
    assert torch.equal(rank_B >= first, probs_B3[:, 1:].sum(dim=1) > 0.5)
    assert torch.equal(rank_B >= second, probs_B3[:, 2] > 0.5)


@pytest.mark.parametrize("border", [60, 58])
def test_years_fold_from_products_of_the_conditionals(border: int) -> None:
    logits_BT = 3 + 2 * np.random.default_rng(1).standard_normal((5, 42))
    above_BT = expit(logits_BT).cumprod(axis=1)  # column k: older than 18 + k
    under_30_B = 1 - above_BT[:, 29 - 18]
    old_B = above_BT[:, border - 1 - 18]
    wanted_B3 = np.stack([under_30_B, 1 - under_30_B - old_B, old_B], axis=1)
    probs_B3 = corn("years", border).log_probs(torch.from_numpy(logits_BT)).exp()
    np.testing.assert_allclose(probs_B3.numpy(), wanted_B3, atol=1e-6)


@pytest.mark.parametrize("ranks", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_ranks_are_monotone_for_any_outputs(ranks: str, data: st.DataObject) -> None:
    num = NUM_THRESHOLDS[ranks]
    finite = st.floats(-1e4, 1e4, width=32)
    outputs_BD = torch.tensor([data.draw(st.lists(finite, min_size=num, max_size=num))])
    # Were P(rank > k) to rise between the borders, the middle group would be below 0, which the
    # floor of its logarithm would lift, and the sum would be above 1.
    for border in (31, 45, 60):
        log_probs_B3 = corn(ranks, border).log_probs(outputs_BD)
        assert log_probs_B3.isfinite().all()
        assert (log_probs_B3.exp().sum(dim=1) - 1).abs().max() < 1e-6


def test_a_row_is_not_asked_about_what_lies_above_the_next_threshold() -> None:
    outputs_BD = torch.randn(3, 42).requires_grad_()
    corn("years").loss(outputs_BD, target_of_ages([18, 20, 60]), unused).sum().backward()  # type: ignore[no-untyped-call]
    assert outputs_BD.grad is not None
    assert (outputs_BD.grad != 0).sum(dim=1).tolist() == [1, 3, 42]
