"""Soft macro F1 against scikit-learn where answers are certain, and against its own definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_factory import batch, mixed, one_hot
from sklearn.metrics import f1_score

from maskcls.losses import f1
from maskcls.losses.base import LossContext

ROWS = LossContext((1,) * 6)
SKIP = f1.build(f1.Settings(), ROWS)
COUNT = f1.build(f1.Settings(absent="count"), ROWS)


@given(st.integers(0, 10**6), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_at_the_hard_limit_it_is_scikit_learns_macro_f1(seed: int, num_rows: int) -> None:
    logits_BK, target_B = batch(seed, num_rows=num_rows)
    logits_BK = 1e4 * logits_BK.argsort(dim=1).argsort(dim=1)  # ranks: no two are nearly equal
    answers = logits_BK.argmax(dim=1).numpy()
    target_BK = one_hot(target_B, 6)

    def macro_f1(classes: object) -> float:
        return float(
            f1_score(target_B.numpy(), answers, labels=classes, average="macro", zero_division=0)
        )

    # Few rows leave classes out: they count as 0, or only the classes there are averaged.
    assert COUNT(logits_BK, target_BK)[0].item() == pytest.approx(
        1 - macro_f1(np.arange(6)), abs=1e-4
    )
    assert SKIP(logits_BK, target_BK)[0].item() == pytest.approx(
        1 - macro_f1(np.unique(target_B.numpy())), abs=1e-4
    )


def test_it_is_its_definition_for_mixed_targets() -> None:
    logits_BK, target_BK = batch(1, num_rows=9)[0], mixed(1, num_rows=9)
    assert (target_BK.sum(dim=0) > 0).all()
    z, t = logits_BK.numpy().astype(np.float64), target_BK.numpy().astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    tp, fp, fn = (p * t).sum(0), (p * (1 - t)).sum(0), ((1 - p) * t).sum(0)
    wanted = 1 - np.mean(2 * tp / (2 * tp + fp + fn + 1e-7))
    np.testing.assert_allclose(SKIP(logits_BK, target_BK), np.full(9, wanted), rtol=1e-5)


def test_counting_absent_classes_adds_a_constant_and_shrinks_the_gradient() -> None:
    logits_BK = batch(2)[0].requires_grad_()
    target_BK = one_hot(torch.tensor([0, 0, 1, 4, 4, 4]), 6)  # 3 of the 6 classes
    skip, count = SKIP(logits_BK, target_BK)[0], COUNT(logits_BK, target_BK)[0]
    torch.testing.assert_close(count, 1 - (1 - skip) * 3 / 6)
    torch.testing.assert_close(
        torch.autograd.grad(count, logits_BK)[0], torch.autograd.grad(skip, logits_BK)[0] * 3 / 6
    )


def test_rare_and_frequent_classes_matter_alike() -> None:
    # Answers: all "class 0". By hand: class 0 has tp 8, fp 2 (F1 16/18), class 1 has tp 0 (F1 0).
    target_BK = one_hot(torch.tensor([0] * 8 + [1] * 2), 6)
    logits_BK = 1e4 * one_hot(torch.zeros(10, dtype=torch.int64), 6)
    assert SKIP(logits_BK, target_BK)[0].item() == pytest.approx(1 - (16 / 18 + 0) / 2, abs=1e-6)
