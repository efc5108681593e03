"""Targets: labels of all 18 classes, and of images mixed from two."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import one_hot_target

from maskcls.core.labels import age_group_of, class_of, labels_of
from maskcls.models.target import NUM_AGES, OLDEST, YOUNGEST, Target


@pytest.mark.parametrize("label", range(18))
def test_marginals_of_a_class_are_its_labels(label: int) -> None:
    target = one_hot_target([label], [30])
    for task, probs_BX in (
        ("mask", target.mask()),
        ("gender", target.gender()),
        ("age", target.age()),
    ):
        assert probs_BX.sum() == 1
        assert probs_BX.argmax(dim=1).tolist() == labels_of([label])[task].tolist()


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_marginals_of_any_distribution_are_sums_over_its_classes(seed: int) -> None:
    classes_BK = torch.rand(3, 18, generator=torch.Generator().manual_seed(seed))
    classes_BK /= classes_BK.sum(dim=1, keepdim=True)
    target = Target(classes_BK, torch.full((3, NUM_AGES), 1 / NUM_AGES))
    labels = labels_of(list(range(18)))
    for task, probs_BX in (
        ("mask", target.mask()),
        ("gender", target.gender()),
        ("age", target.age()),
    ):
        for value in range(probs_BX.shape[1]):
            summed_B = classes_BK[:, torch.from_numpy(labels[task] == value)].sum(dim=1)
            torch.testing.assert_close(probs_BX[:, value], summed_B)


def test_a_image_mixed_from_two_has_the_shares_of_its_parts() -> None:
    # A quarter of a woman of 61 without a mask, three quarters of a man of 20 with it worn wrongly.
    target = one_hot_target([class_of(2, 1, 2), class_of(1, 0, 0)], [60, 20])
    share_2 = torch.tensor([0.25, 0.75])
    both = Target(share_2[None] @ target.classes_BK, share_2[None] @ target.ages_BR)
    assert both.mask().tolist() == [[0, 0.75, 0.25]]
    assert both.gender().tolist() == [[0.75, 0.25]]
    assert both.age().tolist() == [[0.75, 0, 0.25]]


def test_ages_reach_from_the_youngest_to_the_oldest_of_the_competition() -> None:
    assert (YOUNGEST, OLDEST, NUM_AGES) == (18, 60, 43)
    assert age_group_of(OLDEST) == 2
    assert age_group_of(OLDEST - 1) == 1
