"""Ranks: which thresholds an age is above, and how ranks fold to the three age groups."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import AGE_KINDS, age_part, one_hot_target, target_of_ages

from maskcls.core.mask import class_of
from maskcls.models.ages.base import Ranks
from maskcls.models.target import Target
from tests.tasks import MASK


def test_groups_have_two_thresholds_and_know_labels_only() -> None:
    ranks = Ranks("groups", age_part((30, 58)))
    assert ranks.num_thresholds == 2
    # A woman of 45 whose label says 60+ (relabelled): her group counts, and not her age.
    target = one_hot_target([class_of(0, 1, g) for g in (0, 1, 2, 2)], [29, 40, 60, 45])
    assert ranks.above(target).tolist() == [[0, 0], [1, 0], [1, 1], [1, 1]]


def test_years_have_a_threshold_between_any_two_ages() -> None:
    ranks = Ranks("years", age_part())
    assert ranks.num_thresholds == 42
    above_BT = ranks.above(target_of_ages([18, 19, 59, 60]))
    assert above_BT.sum(dim=1).tolist() == [0, 1, 41, 42]
    assert above_BT[2].tolist() == [1] * 41 + [0]


@pytest.mark.parametrize("kind", ["groups", "years"])
def test_of_a_mixed_image_it_is_the_probability_to_be_above(kind: str) -> None:
    one = target_of_ages([20, 59])
    classes_1K, ages_1R = (p.mean(dim=0, keepdim=True) for p in (one.classes_BK, one.ages_BR))
    both = Target(classes_1K, ages_1R, MASK)
    above_T = Ranks(kind, age_part()).above(both)[0].tolist()
    assert above_T == ([0.5, 0] if kind == "groups" else [1, 1] + [0.5] * 39 + [0])


@pytest.mark.parametrize(
    ("borders", "years"),
    [
        ((30, 60), (12, 30, 1)),
        ((30, 58), (12, 28, 3)),
        ((30, 31), (12, 1, 30)),
        ((25, 40), (7, 15, 21)),
        ((20, 40, 50), (2, 20, 10, 11)),
    ],
)
def test_years_fold_at_the_borders(borders: tuple[int, int], years: tuple[int, ...]) -> None:
    # Each of the 43 ages equally likely: P(age > 18+k) = 1 - (k+1)/43. 18..29 are 12 ages, 30..59
    # are 30 and 60 is one; with the border at 58, 30..57 are 28 and 58, 59, 60 are 3.
    above_BT = 1 - torch.arange(1, 43, dtype=torch.float64)[None] / 43
    probs_G = Ranks("years", age_part(borders)).log_groups(above_BT).exp()[0]
    assert (43 * probs_G).tolist() == pytest.approx(years, abs=1e-9)


@pytest.mark.parametrize("border", [60, 58])
def test_every_age_folds_to_its_own_group(border: int) -> None:
    ages = list(range(18, 61))
    ranks = Ranks("years", age_part((30, border)))
    probs_B3 = ranks.log_groups(ranks.above(target_of_ages(ages))).exp()
    groups = [(age >= 30) + (age >= border) for age in ages]
    assert probs_B3.argmax(dim=1).tolist() == groups
    assert probs_B3.max(dim=1).values.tolist() == [1.0] * len(ages)
    if border == 60:
        assert groups == [MASK.part("age").code_of(age) for age in ages]


@given(st.integers(0, 10**6), st.integers(31, 60))
@settings(deadline=None, max_examples=30)
def test_groups_of_any_distribution_are_sums_over_its_ages(seed: int, border: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ages_BR = (3 * torch.randn(4, 43, generator=generator, dtype=torch.float64)).softmax(dim=1)
    target = Target(torch.zeros(4, 18), ages_BR, MASK)
    ranks = Ranks("years", age_part((30, border)))
    probs_B3 = ranks.log_groups(ranks.above(target)).exp()
    ages = torch.arange(18, 61)
    for group, there in enumerate((ages < 30, (ages >= 30) & (ages < border), ages >= border)):
        torch.testing.assert_close(probs_B3[:, group], ages_BR[:, there].sum(dim=1))


def test_impossible_groups_keep_a_finite_log() -> None:
    log_probs_B3 = Ranks("groups", age_part()).log_groups(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert log_probs_B3.isfinite().all()
    assert log_probs_B3.argmax(dim=1).tolist() == [0, 2]
    assert (log_probs_B3.exp().sum(dim=1) - 1).abs().max() < 1e-6


def test_four_groups_have_three_thresholds() -> None:
    part = age_part((20, 40, 50))
    ranks = Ranks("groups", part)
    assert ranks.num_thresholds == 3
    task = replace(MASK, parts=(*MASK.parts[:2], part))
    target = Target(torch.eye(24)[[0, 1, 2, 3]], torch.zeros(4, 43), task)
    above_BT = ranks.above(target)
    assert above_BT.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    torch.testing.assert_close(ranks.log_groups(above_BT).exp(), torch.eye(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("borders", "groups"), [((25, 40), 3), ((20, 40, 50), 4)])
def test_each_age_is_in_its_group_by_every_branch(borders: tuple[int, ...], groups: int) -> None:
    # An output that is sure of the age, in each branch's own way.
    part = age_part(borders)
    for age in range(18, 61):
        code = part.code_of(age)
        sure = (torch.arange(42) < age - 18).float()[None] * 80 - 40
        outputs = {"coral-years": sure, "corn-years": sure}
        outputs["regression"] = torch.tensor([[(age - 39) / 15]])
        for kind in (k for k in AGE_KINDS if str(k) in outputs):
            log_probs = kind.build(3, borders).log_probs(outputs[str(kind)])
            assert log_probs.shape == (1, groups)
            assert log_probs.argmax(dim=1).item() == code, (str(kind), age)
