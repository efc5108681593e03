"""Logit adjustment by hand, and what it is for: the prior is learned by the added term alone."""

import math

import pytest
import torch
from loss_factory import SKEWED, batch, mixed
from torch.nn import functional

from maskcls.losses import logit_adjustment
from maskcls.losses.base import LossContext

Settings = logit_adjustment.Settings


def test_by_hand_for_shares_of_9_to_1() -> None:
    # Logits (0, 0). tau 1: p is the prior (.9, .1). tau 1/2: as sqrt(9) : sqrt(1), so (3/4, 1/4).
    logits_BK, rows = torch.zeros(2, 2), LossContext((90, 10))
    full_B = logit_adjustment.build(Settings(), rows)(logits_BK, torch.eye(2))
    half_B = logit_adjustment.build(Settings(tau=0.5), rows)(logits_BK, torch.eye(2))
    assert full_B.tolist() == pytest.approx([-math.log(0.9), -math.log(0.1)])
    assert half_B.tolist() == pytest.approx([-math.log(3 / 4), -math.log(1 / 4)])


def test_by_hand_for_unequal_logits() -> None:
    # Logits (0, log 3) on shares 9 to 1: 9*1 to 1*3, so p is (3/4, 1/4).
    logits_BK = torch.tensor([[0.0, math.log(3)]]).expand(2, 2)
    loss_B = logit_adjustment.build(Settings(), LossContext((90, 10)))(logits_BK, torch.eye(2))
    assert loss_B.tolist() == pytest.approx([-math.log(3 / 4), -math.log(1 / 4)])


def test_logits_that_know_nothing_are_already_the_best_on_the_training_rows() -> None:
    # With the prior in the added term a network that sees no difference has no reason to prefer any
    # class: the gradient of equal logits over all training rows is 0. With cross entropy it is not.
    counts = torch.tensor(SKEWED.counts, dtype=torch.float64)
    logits_KK = torch.zeros(6, 6, dtype=torch.float64, requires_grad=True)
    loss_K = logit_adjustment.build(Settings(), SKEWED)(logits_KK, torch.eye(6).double())
    (gradient_KK,) = torch.autograd.grad((counts * loss_K).sum() / counts.sum(), logits_KK)
    torch.testing.assert_close(
        gradient_KK.sum(dim=0), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("tau", "counts"), [(0.0, SKEWED.counts), (1.0, (40,) * 6)], ids=["tau 0", "equal classes"]
)
def test_it_is_cross_entropy_without_a_prior(tau: float, counts: tuple[int, ...]) -> None:
    logits_BK, target_BK = batch(1)[0], mixed(1)
    torch.testing.assert_close(
        logit_adjustment.build(Settings(tau=tau), LossContext(counts))(logits_BK, target_BK),
        functional.cross_entropy(logits_BK, target_BK, reduction="none"),
    )


def test_a_class_without_rows_counts_as_one_row() -> None:
    found = logit_adjustment.log_prior(LossContext((0, 3, 1)))
    assert found == pytest.approx([math.log(1 / 5), math.log(3 / 5), math.log(1 / 5)])
