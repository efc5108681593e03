"""Cross entropy against torch's loss for class numbers, and against its formula."""

import numpy as np
import pytest
import torch
from loss_factory import SKEWED, batch, mixed, one_hot

from maskcls.losses import cross_entropy
from maskcls.losses.base import LossContext, inverse_weights


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_torchs_with_label_smoothing(smoothing: float) -> None:
    logits_BK, target_B = batch(3)
    torchs = torch.nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="none")
    loss = cross_entropy.build(cross_entropy.Settings(smoothing=smoothing), SKEWED)
    torch.testing.assert_close(loss(logits_BK, one_hot(target_B, 6)), torchs(logits_BK, target_B))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_are_torchs_weight(smoothing: float) -> None:
    logits_BK, target_B = batch(4)
    weight_K = torch.tensor(inverse_weights(SKEWED))
    torchs = torch.nn.CrossEntropyLoss(weight_K, label_smoothing=smoothing, reduction="none")
    settings = cross_entropy.Settings(smoothing=smoothing, class_weights="inverse")
    found_B = cross_entropy.build(settings, SKEWED)(logits_BK, one_hot(target_B, 6))
    torch.testing.assert_close(found_B, torchs(logits_BK, target_B))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_its_formula_for_mixed_targets(smoothing: float) -> None:
    logits_BK, target_BK = batch(5)[0], mixed(5)
    found_B = cross_entropy.build(cross_entropy.Settings(smoothing=smoothing), SKEWED)(
        logits_BK, target_BK
    )
    z = logits_BK.numpy().astype(np.float64)
    log_probs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    wanted = (1 - smoothing) * target_BK.numpy() + smoothing / 6
    np.testing.assert_allclose(found_B, -(wanted * log_probs).sum(axis=1), rtol=1e-5)


def test_by_default_it_has_the_same_bits_as_torchs_for_class_numbers() -> None:
    logits_BK, target_B = batch(6, num_classes=18, num_rows=64)
    loss = cross_entropy.build(cross_entropy.Settings(), LossContext(SKEWED.counts * 3))
    torchs_B = torch.nn.functional.cross_entropy(logits_BK, target_B, reduction="none")
    assert torch.equal(loss(logits_BK, one_hot(target_B, 18)), torchs_B)
