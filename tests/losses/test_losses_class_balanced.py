"""Class-balanced loss against its formula; the weights themselves are in test_losses_base.py."""

import numpy as np
import pytest
import torch
from loss_factory import SKEWED, batch, mixed, one_hot
from torch.nn import functional

from maskcls.losses import class_balanced


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_it_is_cross_entropy_times_the_weight_of_the_true_class(beta: float) -> None:
    logits_BK, target_B = batch(1)
    n = np.array(SKEWED.counts, dtype=np.float64)
    weights = (1 - beta) / (1 - beta**n)
    weights *= 6 / weights.sum()
    found_B = class_balanced.build(class_balanced.Settings(beta=beta), SKEWED)(
        logits_BK, one_hot(target_B, 6)
    )
    plain_B = functional.cross_entropy(logits_BK, target_B, reduction="none")
    np.testing.assert_allclose(found_B, weights[target_B] * plain_B.numpy(), rtol=1e-5)


def test_beta_0_is_cross_entropy() -> None:
    logits_BK, target_BK = batch(2)[0], mixed(2)
    found_B = class_balanced.build(class_balanced.Settings(beta=0.0), SKEWED)(logits_BK, target_BK)
    torch.testing.assert_close(
        found_B, functional.cross_entropy(logits_BK, target_BK, reduction="none")
    )
