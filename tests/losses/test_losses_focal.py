"""Focal loss against its formula, torchvision's for two classes, and cross entropy at gamma 0."""

import numpy as np
import pytest
import torch
from loss_factory import SKEWED, batch, mixed, one_hot
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from maskcls.losses import focal
from maskcls.losses.base import LossContext, inverse_weights


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_two_classes_are_torchvisions_sigmoid_focal_loss(gamma: float) -> None:
    # softmax over (0, z) gives the second class sigmoid(z), so both formulas are the same here.
    z_B = torch.linspace(-12, 12, 49, dtype=torch.float64)
    logits_BK = torch.stack([torch.zeros_like(z_B), z_B], dim=1)
    loss = focal.build(focal.Settings(gamma=gamma), LossContext((7, 7)))
    for target in (0, 1):
        target_B = torch.full((len(z_B),), target)
        theirs_B = sigmoid_focal_loss(z_B, target_B.double(), alpha=-1, gamma=gamma)
        found_B = loss(logits_BK, one_hot(target_B, 2).double())
        torch.testing.assert_close(found_B, theirs_B, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_it_is_its_formula(gamma: float) -> None:
    logits_BK, target_B = batch(1, num_rows=40)
    found_B = focal.build(focal.Settings(gamma=gamma), SKEWED)(logits_BK, one_hot(target_B, 6))
    z = logits_BK.numpy().astype(np.float64)
    p = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[np.arange(40), target_B]
    np.testing.assert_allclose(found_B, -((1 - p) ** gamma) * np.log(p), rtol=1e-4)


def test_at_gamma_0_it_is_cross_entropy() -> None:
    logits_BK, target_BK = batch(2)[0].requires_grad_(), mixed(2)
    found_B = focal.build(focal.Settings(gamma=0.0), SKEWED)(logits_BK, target_BK)
    wanted_B = functional.cross_entropy(logits_BK, target_BK, reduction="none")
    torch.testing.assert_close(found_B, wanted_B)
    torch.testing.assert_close(
        torch.autograd.grad(found_B.sum(), logits_BK)[0],
        torch.autograd.grad(wanted_B.sum(), logits_BK)[0],
    )


def test_inverse_weights_multiply_the_loss_of_their_class() -> None:
    logits_BK, target_B = batch(3)
    target_BK = one_hot(target_B, 6)
    plain_B = focal.build(focal.Settings(), SKEWED)(logits_BK, target_BK)
    weighted_B = focal.build(focal.Settings(class_weights="inverse"), SKEWED)(logits_BK, target_BK)
    weights_K = torch.tensor(inverse_weights(SKEWED))
    torch.testing.assert_close(weighted_B, weights_K[target_B] * plain_B)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 0.99])
def test_a_certain_answer_has_a_finite_gradient_below_gamma_1(gamma: float) -> None:
    logits_BK = torch.tensor([[200.0, 0.0]], requires_grad=True)  # p is exactly 1 in float32
    loss_B = focal.build(focal.Settings(gamma=gamma), LossContext((1, 1)))(
        logits_BK, torch.tensor([[1.0, 0.0]])
    )
    (gradient_BK,) = torch.autograd.grad(loss_B.sum(), logits_BK)
    assert loss_B.item() == 0
    assert torch.equal(gradient_BK, torch.zeros(1, 2))
