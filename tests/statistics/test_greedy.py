"""The greedy search: bags without favourites, noise left out, the same answer each time."""

from collections import Counter

import numpy as np
import pytest

from maskcls.statistics.greedy import BAGS, WHOLE, bags, best_single, select
from maskcls.statistics.mixtures import Mixtures
from tests.statistics.answers_factory import made_up
from tests.tasks import FRUIT


@pytest.mark.parametrize("num_runs", [1, 2, 3, 4, 6, 7, 8, 20])
def test_bags_lack_a_quarter_and_each_run_is_in_as_many(num_runs: int) -> None:
    found = bags(num_runs)
    left_out = {num_runs - len(set(bag)) for bag in found}
    assert left_out == ({0} if num_runs <= 3 else {num_runs // 4, -(-num_runs // 4)})
    assert len(found) == (1 if num_runs <= 3 else BAGS)
    counts = Counter(run for bag in found for run in bag)
    assert list(counts.values()) == [len(found) * 3 // 4 if num_runs > 3 else 1] * num_runs
    assert found == bags(num_runs)


def test_noise_is_left_out_and_two_that_complement_each_other_are_kept() -> None:
    answers = made_up([1.5, 1.5, 0.0], people=150)
    mixtures = Mixtures(FRUIT, answers, answers.groups % 2, 2)
    weights = select(mixtures, 2)
    assert sum(weights) == WHOLE
    assert weights[2] <= 10
    assert min(weights[:2]) >= 30
    assert best_single(mixtures, 2) in (0, 1)


def test_a_choice_does_not_see_the_part_it_is_made_without() -> None:
    answers = made_up([1.0, 0.9, 0.8, 0.7], people=40)
    parts = answers.groups % 2
    before = select(Mixtures(FRUIT, answers, parts, 2), 0)
    answers.values[:, parts == 0] = np.random.default_rng(1).normal(
        size=answers.values[:, parts == 0].shape
    )
    assert select(Mixtures(FRUIT, answers, parts, 2), 0) == before


def test_equal_runs_are_all_as_good_as_the_first() -> None:
    answers = made_up([1.0], people=20)
    answers = type(answers)(answers.labels, np.repeat(answers.values, 3, axis=0), answers.groups)
    mixtures = Mixtures(FRUIT, answers, answers.groups % 2, 2)
    assert sum(select(mixtures, 2)) == WHOLE
    assert best_single(mixtures, 2) == 0
