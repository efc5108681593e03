"""An epoch that the other folds choose is not too good; the luckiest of equal ones is."""

import numpy as np

from maskcls.statistics.honest import honest_epochs


def test_each_fold_has_the_epoch_that_the_others_like() -> None:
    curves = [[0.1, 0.9, 0.2], [0.3, 0.2, 0.1], [0.1, 0.2, 0.4]]
    assert honest_epochs(curves) == [3, 2, 2]


def test_of_equals_the_first_is_taken() -> None:
    assert honest_epochs([[0.5, 0.5], [0.5, 0.5]]) == [1, 1]


def test_a_single_fold_has_no_others() -> None:
    assert honest_epochs([[0.1, 0.2]]) is None


def test_a_fold_that_stopped_early_takes_its_last_epoch() -> None:
    assert honest_epochs([[0.3, 0.2], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]]) == [2, 1, 1]


def test_folds_without_a_score_have_no_say() -> None:
    assert honest_epochs([[None, None], [0.1, 0.3], [0.2, 0.1]]) == [2, 1, 2]
    assert honest_epochs([[None, None], [None, None]]) == [2, 2]


def plateau(seed: int) -> tuple[float, float]:
    """By how much the score of the best epochs and that of the honest ones are too good, in one draw.

    Five folds of 4,000 images and 10 epochs, in each of which an image is right with probability .6; a
    quarter of an epoch's images differ from other epochs.
    """
    rng = np.random.default_rng(seed)
    shared = rng.random((5, 1, 4_000), np.float32)
    own = rng.random((5, 10, 4_000), np.float32)
    chance = np.where(rng.random((5, 10, 4_000), np.float32) < 0.25, own, shared)
    scores = (chance < 0.6).mean(axis=2)
    honest = honest_epochs(scores.tolist())
    assert honest is not None
    of_honest = scores[np.arange(5), np.array(honest) - 1].mean()
    return scores.max(axis=1).mean() - 0.6, of_honest - 0.6


def test_the_best_of_ten_equal_epochs_is_too_good_and_the_honest_one_is_not() -> None:
    best, honest = np.mean([plateau(seed) for seed in range(300)], axis=0)
    assert abs(honest) < 0.001  # four standard errors of such a mean
    assert 0.006 < best < 0.009
