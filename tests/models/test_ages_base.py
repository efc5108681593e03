"""Ranks: which thresholds an age is above, and how ranks fold to the three age groups."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_factory import one_hot_target, target_of_ages

from maskcls.core.labels import age_group_of, class_of
from maskcls.models.ages.base import Ranks
from maskcls.models.target import Target


def test_groups_have_two_thresholds_and_know_labels_only() -> None:
    ranks = Ranks("groups", (30, 58))
    assert ranks.num_thresholds == 2
    # A woman of 45 whose label says 60+ (relabelled): her group counts, and not her age.
    target = one_hot_target([class_of(0, 1, g) for g in (0, 1, 2, 2)], [29, 40, 60, 45])
    assert ranks.above(target).tolist() == [[0, 0], [1, 0], [1, 1], [1, 1]]


def test_years_have_a_threshold_between_any_two_ages() -> None:
    ranks = Ranks("years", (30, 60))
    assert ranks.num_thresholds == 42
    above_BT = ranks.above(target_of_ages([18, 19, 59, 60]))
    assert above_BT.sum(dim=1).tolist() == [0, 1, 41, 42]
    assert above_BT[2].tolist() == [1] * 41 + [0]


@pytest.mark.parametrize("kind", ["groups", "years"])
def test_of_a_mixed_image_it_is_the_probability_to_be_above(kind: str) -> None:
    one = target_of_ages([20, 59])
    both = Target(one.classes_BK.mean(dim=0, keepdim=True), one.ages_BR.mean(dim=0, keepdim=True))
    above_T = Ranks(kind, (30, 60)).above(both)[0].tolist()
    assert above_T == ([0.5, 0] if kind == "groups" else [1, 1] + [0.5] * 39 + [0])


@pytest.mark.parametrize(
    ("borders", "years"),
    [((30, 60), (12, 30, 1)), ((30, 58), (12, 28, 3)), ((30, 31), (12, 1, 30))],
)
def test_years_fold_at_the_borders(borders: tuple[int, int], years: tuple[int, ...]) -> None:
    # Each of the 43 ages equally likely: P(age > 18+k) = 1 - (k+1)/43. 18..29 are 12 ages, 30..59
    # are 30 and 60 is one; with the border at 58, 30..57 are 28 and 58, 59, 60 are 3.
    above_BT = 1 - torch.arange(1, 43, dtype=torch.float64)[None] / 43
    probs_3 = Ranks("years", borders).log_groups(above_BT).exp()[0]
    assert (43 * probs_3).tolist() == pytest.approx(years, abs=1e-9)


@pytest.mark.parametrize("border", [60, 58])
def test_every_age_folds_to_its_own_group(border: int) -> None:
    ages = list(range(18, 61))
    ranks = Ranks("years", (30, border))
    probs_B3 = ranks.log_groups(ranks.above(target_of_ages(ages))).exp()
    groups = [(age >= 30) + (age >= border) for age in ages]
    assert probs_B3.argmax(dim=1).tolist() == groups
    assert probs_B3.max(dim=1).values.tolist() == [1.0] * len(ages)
    if border == 60:
        assert groups == [age_group_of(age) for age in ages]


@given(st.integers(0, 10**6), st.integers(31, 60))
@settings(deadline=None, max_examples=30)
def test_groups_of_any_distribution_are_sums_over_its_ages(seed: int, border: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ages_BR = (3 * torch.randn(4, 43, generator=generator, dtype=torch.float64)).softmax(dim=1)
    target = Target(torch.zeros(4, 18), ages_BR)
    ranks = Ranks("years", (30, border))
    probs_B3 = ranks.log_groups(ranks.above(target)).exp()
    ages = torch.arange(18, 61)
    for group, there in enumerate((ages < 30, (ages >= 30) & (ages < border), ages >= border)):
        torch.testing.assert_close(probs_B3[:, group], ages_BR[:, there].sum(dim=1))


def test_impossible_groups_keep_a_finite_log() -> None:
    log_probs_B3 = Ranks("groups", (30, 60)).log_groups(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert log_probs_B3.isfinite().all()
    assert log_probs_B3.argmax(dim=1).tolist() == [0, 2]
    assert (log_probs_B3.exp().sum(dim=1) - 1).abs().max() < 1e-6
