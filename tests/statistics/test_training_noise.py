"""Training noise: the seeds' and the folds' networks, and what an interval is widened by."""

import numpy as np
import pytest

from maskcls.statistics import areas
from maskcls.statistics.intervals import LEVEL
from maskcls.statistics.paired import score_maker
from maskcls.statistics.rows import Rows
from maskcls.statistics.training_noise import TrainingNoise, columns, noise_of, stacked
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT, SKIN


def _noise(a: list[Rows], b: list[Rows]) -> TrainingNoise:
    return noise_of(score_maker(FRUIT, "accuracy"), a, b, LEVEL)


def _deviation(training: float, seeds: int) -> float:
    found = [
        _noise(*made_up_sides(seed, 80, training=training, seeds=seeds)).deviation[0]
        for seed in range(6)
    ]
    return float(np.mean(found))


@pytest.mark.parametrize("seeds", [1, 3])
def test_networks_that_differ_more_have_more_noise(seeds: int):
    assert _deviation(1.0, seeds) > 2 * _deviation(0.0, seeds)


def test_seeds_find_what_the_mean_differs_by():
    """The known truth: how much values of the same images differ between sets of networks."""
    side = made_up_sides(1, 200, training=0.7, seeds=20)[0]
    make = score_maker(FRUIT, "accuracy")
    once = np.ones((1, 200))
    true = np.std([make(rows)(once)[0] for rows in side], ddof=1) * np.sqrt(2 / 5)
    found = [_noise(side[i : i + 5], side[i + 5 : i + 10]).deviation[0] for i in (0, 5, 10)]
    # The spread of runs has the noise of the images' own draws in it too, which the groups explain.
    assert 0.6 * true < np.mean(found) < 1.2 * true


def test_few_networks_widen_more_than_they_differ_by():
    found = _noise(*made_up_sides(2, 80, training=0.5))
    assert found.added[0] > found.deviation[0] > 0
    assert found.source == "folds"


def test_one_fold_and_seed_tell_nothing():
    found = _noise(*made_up_sides(2, 80, folds=1))
    assert (found.source, found.deviation[0], found.added[0]) == (None, 0, 0)


def test_folds_of_its_own_on_each_side():
    a, b = made_up_sides(3, 80, training=0.5)
    other = [Rows(x.labels, x.logits, x.groups, (x.groups // 16).astype(np.int64)) for x in b]
    assert _noise(a, other).source == "folds"
    assert _noise(a, other).deviation[0] != _noise(a, b).deviation[0]


def test_draws_have_the_deviation_and_a_fixed_seed():
    noise = TrainingNoise(np.array([0.1, 0.0]), np.array([0.2, 0.0]), "folds")
    drawn = noise.drawn(4_000, 7)
    assert drawn.std(axis=0) == pytest.approx([0.2, 0], rel=0.05)
    assert (drawn == noise.drawn(4_000, 7)).all()


def test_stacked_groups_stay_apart():
    a, b = made_up_sides(4, 10)
    both = stacked([a[0], b[0]])
    assert both.num_groups == 20
    assert (both.groups[len(a[0]) :] == b[0].groups + 10).all()
    assert columns(np.zeros(3)).shape == (3, 1)


@pytest.fixture(params=[0, 10**9], ids=["placement values", "ranking"])
def _area(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(areas, "_EXACT", request.param)


@pytest.mark.usefixtures("_area")
def test_seeds_of_another_scale_rank_alike_by_area():
    """A monotone change of a seed's logits changes no AUC of its own rows, so no fold's either."""
    a, b = made_up_sides(5, 60, num_classes=2, seeds=3, folds=1)
    same = [a[0].with_logits(a[0].logits * scale) for scale in (1, 3, 9)]
    found = noise_of(score_maker(SKIN, "auc"), same, same, LEVEL)
    assert found.deviation[0] == pytest.approx(0, abs=1e-6)
    assert noise_of(score_maker(SKIN, "auc"), a, b, LEVEL).source == "seeds"


def test_area_of_many_rows_has_the_noise_of_few(monkeypatch: pytest.MonkeyPatch):
    a, b = made_up_sides(3, 60, num_classes=2, training=0.5, seeds=3)
    a = [rows.with_logits(rows.logits + np.array([0, 2 * s])) for s, rows in enumerate(a)]
    found = []
    for most in (0, 10**9):
        monkeypatch.setattr(areas, "_EXACT", most)
        found.append(noise_of(score_maker(SKIN, "auc"), a, b, LEVEL).deviation[0])
    assert found[0] == pytest.approx(found[1], rel=1e-3)
