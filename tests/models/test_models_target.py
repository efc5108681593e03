"""Targets: labels of all 18 classes, and of images mixed from two."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import TWO_PARTS, one_hot_target

from maskcls.core.mask import class_of
from maskcls.models.target import Target, numbers_of
from tests.tasks import FRUIT, MASK


@pytest.mark.parametrize("label", range(18))
def test_marginals_of_a_class_are_its_labels(label: int) -> None:
    target = one_hot_target([label], [30])
    for name in ("mask", "gender", "age"):
        probs_BX = target.part(name)
        assert probs_BX.sum() == 1
        assert probs_BX.argmax(dim=1).tolist() == MASK.codes_of([label])[name].tolist()


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_marginals_of_any_distribution_are_sums_over_its_classes(seed: int) -> None:
    classes_BK = torch.rand(3, 18, generator=torch.Generator().manual_seed(seed))
    classes_BK /= classes_BK.sum(dim=1, keepdim=True)
    target = Target(classes_BK, torch.full((3, 43), 1 / 43), MASK)
    codes = MASK.codes_of(list(range(18)))
    for name in ("mask", "gender", "age"):
        probs_BX = target.part(name)
        for value in range(probs_BX.shape[1]):
            summed_B = classes_BK[:, torch.from_numpy(codes[name] == value)].sum(dim=1)
            torch.testing.assert_close(probs_BX[:, value], summed_B)


def test_a_image_mixed_from_two_has_the_shares_of_its_parts() -> None:
    # A quarter of a woman of 61 without a mask, three quarters of a man of 20 with it worn wrongly.
    target = one_hot_target([class_of(2, 1, 2), class_of(1, 0, 0)], [60, 20])
    share_2 = torch.tensor([0.25, 0.75])
    both = Target(share_2[None] @ target.classes_BK, share_2[None] @ target.ages_BR, MASK)
    assert both.part("mask").tolist() == [[0, 0.75, 0.25]]
    assert both.part("gender").tolist() == [[0.75, 0.25]]
    assert both.part("age").tolist() == [[0.75, 0, 0.25]]


def test_ages_reach_from_the_youngest_to_the_oldest_of_the_competition() -> None:
    age = MASK.part("age")
    assert numbers_of(age) == (18, 60)
    assert (age.code_of(60), age.code_of(59)) == (2, 1)
    with pytest.raises(ValueError, match="part gender is not read from numbers"):
        numbers_of(MASK.part("gender"))


def test_the_only_part_of_a_task_has_the_classes_probabilities() -> None:
    classes_BK = torch.rand(5, 4, generator=torch.Generator().manual_seed(1))
    target = Target(classes_BK, torch.zeros(5, 0), FRUIT)
    assert torch.equal(target.part("label"), classes_BK)


def test_of_two_parts_each_is_summed_over_the_other() -> None:
    # kind x ripe: apple .1 .2, banana .3 0, cherry 0 .4
    classes_BK = torch.tensor([[0.1, 0.2, 0.3, 0.0, 0.0, 0.4]])
    target = Target(classes_BK, torch.zeros(1, 0), TWO_PARTS)
    torch.testing.assert_close(target.part("kind"), torch.tensor([[0.3, 0.3, 0.4]]))
    torch.testing.assert_close(target.part("ripe"), torch.tensor([[0.4, 0.6]]))
