"""Weights of classes: against scikit-learn, and against the sum that they are short for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from maskcls.losses.base import LossContext, class_balanced_weights, inverse_weights, per_class

COUNTS = st.lists(st.integers(1, 400), min_size=2, max_size=18)


@given(COUNTS)
@settings(deadline=None, max_examples=30)
def test_inverse_weights_are_scikit_learns_up_to_their_scale(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    theirs = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    ours = inverse_weights(LossContext(tuple(counts)))
    np.testing.assert_allclose(ours, theirs / theirs.mean())


@given(COUNTS, st.sampled_from([0.0, 0.9, 0.999, 0.9999]))
@settings(deadline=None, max_examples=30)
def test_class_balanced_weights_are_one_by_the_effective_number(
    counts: list[int], beta: float
) -> None:
    # Effective number of n rows, as the paper defines it: 1 + b + b^2 + ... + b^(n-1).
    raw = np.array([1 / sum(beta**i for i in range(n)) for n in counts])
    ours = class_balanced_weights(LossContext(tuple(counts)), beta)
    np.testing.assert_allclose(ours, raw * len(counts) / raw.sum(), rtol=1e-9)


def test_class_balanced_weights_by_hand() -> None:
    # b = 1/2: effective numbers of 1, 2 and 3 rows are 1, 3/2 and 7/4, so the weights are as
    # 1 : 2/3 : 4/7 = 21 : 14 : 12, which sum to 47; scaled to sum 3.
    weights = class_balanced_weights(LossContext((1, 2, 3)), 0.5)
    np.testing.assert_allclose(weights, np.array([21, 14, 12]) * 3 / 47)


def test_class_balanced_weights_near_one_are_inverse() -> None:
    rows = LossContext((400, 3, 50))
    np.testing.assert_allclose(
        class_balanced_weights(rows, 1 - 1e-9), inverse_weights(rows), rtol=1e-6
    )


def test_a_class_without_rows_weighs_nothing_and_takes_nothing_of_the_scale() -> None:
    rows = LossContext((0, 20, 10, 0))
    # 1/20 : 1/10 with mean 1 is 2/3 and 4/3; the class-balanced ones sum to K = 4.
    np.testing.assert_allclose(inverse_weights(rows), [0, 2 / 3, 4 / 3, 0])
    weights = class_balanced_weights(rows, 0.999)
    assert weights[0] == weights[3] == 0
    assert sum(weights) == pytest.approx(4)
    assert weights[1] < weights[2]


def test_no_rows_at_all_weigh_nothing() -> None:
    assert inverse_weights(LossContext((0, 0))) == (0, 0)
    assert class_balanced_weights(LossContext((0, 0)), 0.999) == (0, 0)


def test_numbers_of_classes_follow_the_logits_and_are_copied_once() -> None:
    numbers = per_class([1.0, 2.5])
    first = numbers(torch.zeros(3, 2))
    assert first.dtype == torch.float32
    assert first.tolist() == [1.0, 2.5]
    assert numbers(torch.ones(5, 2)) is first
    assert numbers(torch.ones(5, 2, dtype=torch.float64)).dtype == torch.float64
    assert numbers(torch.ones(5, 2, device="meta")).device.type == "meta"
