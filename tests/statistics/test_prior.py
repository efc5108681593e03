from dataclasses import replace

import numpy as np
import pytest

from maskcls.core.task import Part, Task
from maskcls.statistics.prior import PriorEstimate, class_ratio, estimate_prior
from maskcls.statistics.rows import Rows
from tests.statistics.shifted import SHARES, THREE, World, world

SHIFTED = (0.2, 0.3, 0.5)


def _estimate(found: World, task: Task = THREE, with_groups: bool = False) -> PriorEstimate:
    folds = np.arange(len(found.logits))
    return estimate_prior(
        task, found.rows, found.logits, folds, found.groups if with_groups else None
    )


def test_a_shift_is_found_and_the_shares_are_near_the_truth() -> None:
    found = world(SHIFTED)
    prior = _estimate(found)
    assert prior.used, prior.why
    assert np.abs(prior.training - found.truth).sum() > 0.6
    assert np.abs(prior.estimated - found.truth).sum() < 0.1
    assert prior.estimated.sum() == pytest.approx(1)
    assert (prior.low <= prior.estimated).all()
    assert (prior.estimated <= prior.high).all()
    assert prior.ratio * prior.training == pytest.approx(prior.estimated)


def test_it_agrees_with_quapys_soft_adjusted_count_and_em() -> None:
    # quapy 0.2.3 on the same calibrated mean probabilities: PACC (its default solver), EMQ.
    prior = _estimate(world(SHIFTED))
    assert prior.estimated == pytest.approx([0.1901, 0.2837, 0.5262], abs=0.03)
    assert prior.estimated == pytest.approx([0.2052, 0.2749, 0.5199], abs=0.03)


def test_no_shift_is_corrected_in_at_most_as_many_as_the_level_allows() -> None:
    priors = [_estimate(world(SHARES, seed)) for seed in range(15)]
    # 1 % of 15: 2 or more would have a probability of .01.
    assert sum(prior.used for prior in priors) <= 1
    unused = next(prior for prior in priors if not prior.used)
    assert "no significant difference" in unused.why
    assert unused.ratio.tolist() == [1, 1, 1]


def test_the_interval_covers_the_truth() -> None:
    found = [world(SHIFTED, seed) for seed in range(15)]
    priors = [_estimate(one) for one in found]
    covered = [
        (p.low <= one.truth) & (one.truth <= p.high) for p, one in zip(priors, found, strict=True)
    ]
    # 45 shares, not independent: at 95 %, below 38 would be rare.
    assert np.sum(covered) >= 38


def test_groups_of_eval_images_may_be_known() -> None:
    found = world(SHIFTED)
    known, unknown = _estimate(found, with_groups=True), _estimate(found)
    assert known.used
    assert known.estimated == pytest.approx(unknown.estimated, abs=0.03)


def test_rows_that_a_network_lacks_are_left_out() -> None:
    found = world(SHIFTED)
    logits = found.logits.copy()
    logits[0, :100] = np.nan
    logits[:, 100:110] = np.nan
    prior = estimate_prior(THREE, found.rows, logits, np.arange(3))
    assert prior.used
    assert np.abs(prior.estimated - found.truth).sum() < 0.12


def test_folds_that_are_missing_among_the_eval_logits_are_left_out() -> None:
    found = world(SHIFTED)
    prior = estimate_prior(THREE, found.rows, found.logits[[2, 0]], np.array([2, 0]))
    assert prior.used
    assert np.abs(prior.estimated - found.truth).sum() < 0.15


def test_the_same_arguments_give_the_same_numbers() -> None:
    one, other = (_estimate(world(SHIFTED)) for _ in range(2))
    assert one.draws.tolist() == other.draws.tolist()


def test_other_looking_images_are_not_explained_by_shares() -> None:
    found = _estimate(world(SHARES, blur=0.8, eval_groups=400, groups=600))
    assert not found.used
    assert "look different" in found.why


def test_classes_that_look_alike_are_not_corrected() -> None:
    found = _estimate(world((0.1, 0.1, 0.8), apart=0.05, eval_groups=400))
    assert not found.used


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (world(SHIFTED, groups=20), "too few held-out groups"),
        (world(SHIFTED, eval_groups=5), "too few eval images (20)"),
    ],
)
def test_too_few_images_are_not_corrected(found: World, why: str) -> None:
    prior = _estimate(found)
    assert not prior.used
    assert not prior.is_estimated
    assert why in prior.why
    assert prior.estimated.tolist() == prior.training.tolist()


def test_one_class_alone_is_not_corrected() -> None:
    found = world(SHIFTED)
    rows = found.rows.where(found.rows.labels == 0)
    prior = estimate_prior(THREE, rows, found.logits, np.arange(3))
    assert "of one class" in prior.why


def test_a_class_that_the_held_out_rows_lack_keeps_no_share() -> None:
    found = world(SHIFTED)
    rows = found.rows.where(found.rows.labels != 2)
    prior = estimate_prior(THREE, rows, found.logits, np.arange(3))
    assert prior.training[2] == prior.estimated[2] == 0
    assert prior.ratio[2] == 1
    assert np.isfinite(prior.draws).all()


def test_many_classes_with_few_images_each_are_not_corrected() -> None:
    names = tuple(str(k) for k in range(200))
    task = Task("many", (Part("label", names),))
    rng = np.random.default_rng(0)
    rows = Rows(
        np.arange(1000) % 200, rng.normal(size=(1000, 200)), np.arange(1000), np.arange(1000) % 2
    )
    prior = estimate_prior(task, rows, rng.normal(size=(2, 300, 200)), np.arange(2))
    assert not prior.used
    assert "too few" in prior.why


def test_shares_within_a_stratum_stay_as_in_training() -> None:
    # Two strata of two states each: the second part's shares are 3:1 in each group.
    task = Task(
        "strata", (Part("kind", ("x", "y")), Part("state", ("s", "t"))), strata=("kind",),
        has_groups=True,
    )  # fmt: skip
    found = world((0.15, 0.85), eval_groups=300)
    state = np.tile([0, 0, 0, 1], found.rows.num_groups)
    labels = found.rows.labels * 2 + state
    both = [np.repeat(part, 2, axis=-1) for part in (found.rows.logits, found.logits)]
    rows = replace(found.rows, labels=labels, logits=both[0])
    prior = estimate_prior(task, rows, both[1], np.arange(3))
    assert prior.used, prior.why
    shares = prior.estimated.reshape(2, 2)
    assert shares.sum(axis=1) == pytest.approx(found.truth, abs=0.08)
    assert shares[:, 0] / shares.sum(axis=1) == pytest.approx([0.75, 0.75])


def test_the_ratio_of_absent_classes_is_1() -> None:
    ratio = class_ratio(np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0]))
    assert ratio.tolist() == [0.5, 1.5, 1]
