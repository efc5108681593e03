"""CORAL by hand, by the paper's formula and by the authors' published example; ranks in order.

dlordinal, the reference for CORN, has no CORAL.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import AgeKind, target_of_ages, unused
from scipy.special import log_expit

from maskcls.models.ages.coral import Coral

KINDS = ("groups", "years")


def coral(ranks: str = "groups", num_features: int = 3, border: int = 60) -> Coral:
    torch.manual_seed(0)
    branch = AgeKind("coral", ranks).build(num_features, (30, border))
    assert isinstance(branch, Coral)
    return branch


def biases(branch: Coral) -> torch.Tensor:
    """The thresholds' b_k: what features of 0 give."""
    logits_1T: torch.Tensor = branch(torch.zeros(1, branch.direction.in_features))
    return logits_1T[0].detach()


@pytest.mark.parametrize(("ranks", "num"), [("groups", 2), ("years", 42)])
def test_biases_begin_evenly_from_one_to_one_by_their_number(ranks: str, num: int) -> None:
    # As in the authors' coral-pytorch with preinit_bias: (K-1, K-2, ..., 1) / (K-1) for K ranks.
    wanted = [(num - k) / num for k in range(num)]
    assert biases(coral(ranks)).tolist() == pytest.approx(wanted, abs=1e-6)


def test_by_hand() -> None:
    # Biases 1 and 1/2, w = (1, -2, 0), x = (0.5, 0.5, 7): w.x = -0.5, logits 0.5 and 0.
    #   P(>0) = 1/(1+e^-.5), P(>1) = 1/2; groups: 1 - P(>0), P(>0) - 1/2, 1/2.
    #   loss of group 0: log(1+e^.5)  + log 2     neither passed
    #           group 1: log(1+e^-.5) + log 2     the first passed
    #           group 2: log(1+e^-.5) + log 2     both; here P(>1) = 1 - P(>1)
    branch = coral()
    with torch.no_grad():
        branch.direction.weight.copy_(torch.tensor([[1.0, -2.0, 0.0]]))
    outputs_BD = branch(torch.tensor([[0.5, 0.5, 7.0]])).expand(3, 2)
    assert outputs_BD[0].tolist() == pytest.approx([0.5, 0.0], abs=1e-6)
    first = 1 / (1 + math.exp(-0.5))
    probs_3 = branch.log_probs(outputs_BD)[0].exp()
    assert probs_3.tolist() == pytest.approx([1 - first, first - 0.5, 0.5], abs=1e-6)
    loss_B = branch.loss(outputs_BD, target_of_ages([20, 40, 60]), unused)
    failed, passed = math.log(1 + math.exp(0.5)), math.log(1 + math.exp(-0.5))
    wanted = [failed + math.log(2), passed + math.log(2), passed + math.log(2)]
    assert loss_B.tolist() == pytest.approx(wanted, rel=1e-6)


def test_the_authors_published_example() -> None:
    # From the docstring of coral_loss in coral-pytorch: five ranks, mean loss 0.6920. Ages 18 to 22
    # are five ranks here; the other 38 thresholds are made sure of, and add nothing.
    logits_BT = torch.full((3, 42), -1e4)
    logits_BT[:, :4] = torch.tensor(
        [[2.1, 1.8, -2.1, -1.8], [1.9, -1.0, -1.5, -1.3], [1.9, 1.8, 1.7, 1.6]]
    )
    loss_B = coral("years").loss(logits_BT, target_of_ages([20, 19, 22]), unused)
    assert loss_B.mean().item() == pytest.approx(0.6920, abs=5e-5)


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
@settings(deadline=None, max_examples=30)
def test_it_is_the_sum_of_the_thresholds_cross_entropies(seed: int, ranks: str) -> None:
    # Equation 4: -sum_k [ log sigmoid(z_k) y_k + (log sigmoid(z_k) - z_k) (1 - y_k) ].
    rng = np.random.default_rng(seed)
    ages = rng.integers(18, 61, 6)
    z_BT = 4 * rng.standard_normal((6, 2 if ranks == "groups" else 42))
    passed = ages[:, None] >= (np.array([30, 60]) if ranks == "groups" else np.arange(19, 61))
    wanted_B = -(log_expit(z_BT) * passed + (log_expit(z_BT) - z_BT) * ~passed).sum(axis=1)
    target = target_of_ages(ages.tolist())
    loss_B = coral(ranks).loss(torch.from_numpy(z_BT).float(), target, unused)
    # float32 against float64: a loss near 0 is the rest of a difference of larger numbers.
    np.testing.assert_allclose(loss_B.numpy(), wanted_B, rtol=1e-5, atol=2e-6)


finite = st.floats(-1e3, 1e3, width=32)


@pytest.mark.parametrize("ranks", KINDS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_ranks_are_monotone_for_any_parameters(ranks: str, data: st.DataObject) -> None:
    branch = coral(ranks, num_features=2)
    with torch.no_grad():
        for parameter in branch.parameters():
            values = data.draw(
                st.lists(finite, min_size=parameter.numel(), max_size=parameter.numel())
            )
            parameter.copy_(torch.tensor(values).view_as(parameter))
    features_BF = torch.tensor(data.draw(st.lists(st.tuples(finite, finite), min_size=1)))
    outputs_BD = branch(features_BF)
    assert (outputs_BD.diff(dim=1) <= 0).all()
    log_probs_B3 = branch.log_probs(outputs_BD)
    assert log_probs_B3.isfinite().all()
    assert (log_probs_B3.exp().sum(dim=1) - 1).abs().max() < 1e-6


@pytest.mark.parametrize(("border", "years"), [(60, (12, 30, 1)), (58, (12, 28, 3))])
def test_years_are_folded_at_the_borders(border: int, years: tuple[int, int, int]) -> None:
    # Logits of P(age > 18+k) = 1 - (k+1)/43, so that each of the 43 ages is as likely.
    outputs_BD = torch.logit(1 - torch.arange(1, 43)[None] / 43)
    probs_3 = coral("years", border=border).log_probs(outputs_BD).exp()[0]
    assert (43 * probs_3).tolist() == pytest.approx(years, abs=1e-4)


def test_one_direction_serves_all_thresholds() -> None:
    branch = coral("years", num_features=5)
    assert sum(p.numel() for p in branch.parameters()) == 5 + 42
    outputs_BD = branch(torch.randn(4, 5))
    torch.testing.assert_close(outputs_BD - outputs_BD[:, :1], (biases(branch) - 1).expand(4, 42))
