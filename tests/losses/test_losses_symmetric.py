"""Symmetric cross entropy against the paper's formula, and what makes it bear wrong labels."""

import numpy as np
import pytest
import torch
from loss_factory import SKEWED, batch, mixed, one_hot
from torch.nn import functional

from maskcls.losses import symmetric


@pytest.mark.parametrize(
    ("alpha", "beta", "log_zero"), [(0.1, 1.0, 4.0), (6.0, 0.1, 4.0), (1, 2, 6)]
)
def test_it_is_the_papers_formula(alpha: float, beta: float, log_zero: float) -> None:
    settings = symmetric.Settings(alpha=alpha, beta=beta, log_zero=log_zero)
    logits_BK, target_B = batch(1, num_rows=40)
    target_BK = one_hot(target_B, 6)
    found_B = symmetric.build(settings, SKEWED)(logits_BK, target_BK)
    z, q = logits_BK.numpy().astype(np.float64), target_BK.numpy()
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    log_q = np.log(np.maximum(q, np.exp(-log_zero)))  # log 1 is 0, log 0 is -log_zero
    wanted = -alpha * (q * np.log(p)).sum(axis=1) - beta * (p * log_q).sum(axis=1)
    np.testing.assert_allclose(found_B, wanted, rtol=1e-4)


def test_without_the_reverse_it_is_cross_entropy() -> None:
    logits_BK, target_BK = batch(2)[0], mixed(2)
    found_B = symmetric.build(symmetric.Settings(alpha=1, beta=0), SKEWED)(logits_BK, target_BK)
    wanted_B = functional.cross_entropy(logits_BK, target_BK, reduction="none")
    torch.testing.assert_close(found_B, wanted_B)


def test_over_all_labels_the_reverse_part_is_one_number_whatever_the_answer() -> None:
    # The condition under which uniform label noise does not move a loss's minimum (Ghosh et al. 2017).
    loss = symmetric.build(symmetric.Settings(alpha=0, beta=1, log_zero=4), SKEWED)
    logits_BK = batch(3, num_rows=50, scale=5)[0]
    every = [loss(logits_BK, one_hot(torch.full((50,), k), 6)) for k in range(6)]
    torch.testing.assert_close(torch.stack(every).sum(dim=0), torch.full((50,), 4.0 * 5))
