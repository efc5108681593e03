"""Which epoch is the best, and when no other follows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcls.core.history import Best, EpochEntry, best_of, is_finished


def history_of(*scores: float | None) -> list[EpochEntry]:
    return [
        EpochEntry(epoch, 0.1, 2.5, score, {}, 9, 10.0, 1.5, 0.5, "2026-01-01T00:00:00+00:00")
        for epoch, score in enumerate(scores, 1)
    ]


def test_before_any_epoch_there_is_no_best() -> None:
    assert best_of([]) is None


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [
        ((0.3,), 1),
        ((0.0,), 1),
        ((0.3, 0.5, 0.4), 2),
        ((0.5, 0.5), 1),  # the first of equals
        ((0.3, 0.5, 0.5, 0.5), 2),
        ((0.0, 0.0), 1),
        ((-1.5, -0.4, -0.7), 2),  # log loss
    ],
)
def test_the_first_of_the_highest_scores_is_the_best(scores: tuple[float, ...], epoch: int) -> None:
    assert best_of(history_of(*scores)) == Best(epoch, max(scores))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_without_a_validation_set_the_last_epoch_counts(count: int) -> None:
    assert best_of(history_of(*[None] * count)) == Best(count, None)


@pytest.mark.parametrize("scores", [(0.3,), (0.9, 0.1, 0.2), (None, None)])
def test_with_keep_last_the_last_epoch_counts(scores: tuple[float | None, ...]) -> None:
    assert best_of(history_of(*scores), "last") == Best(len(scores), scores[-1])
    assert best_of([], "last") is None


@given(st.lists(st.floats(-40, 1), min_size=1, max_size=20))
def test_the_best_is_what_max_finds(scores: list[float]) -> None:
    best = best_of(history_of(*scores))
    assert best == Best(scores.index(max(scores)) + 1, max(scores))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_best_of_what_is_known_so_far_never_falls(scores: list[float]) -> None:
    history, before = history_of(*scores), -math.inf
    for count in range(1, len(history) + 1):
        best = best_of(history[:count])
        assert best is not None
        assert best.score is not None
        assert best.score >= before
        before = best.score


def test_it_is_finished_when_all_epochs_are_done() -> None:
    history = history_of(0.1, 0.2, 0.3)
    assert [is_finished(history[:n], 3, 0) for n in range(4)] == [False, False, False, True]
    assert is_finished(history, 2, 0)  # more than asked for


@pytest.mark.parametrize(
    ("scores", "patience", "finished"),
    [
        ((0.5, 0.4), 1, True),
        ((0.4, 0.5), 1, False),
        ((0.5, 0.5), 1, True),  # no better
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.6), 2, False),
        ((0.5, 0.4, 0.6, 0.5), 2, False),
        ((0.5, 0.4, 0.6, 0.5, 0.5), 2, True),
        ((0.5, 0.4, 0.3, 0.2), 0, False),  # never stops early
        ((), 1, False),
        ((None, None, None), 1, False),  # no score, so none that is worse
    ],
)
def test_patience(scores: tuple[float | None, ...], patience: int, finished: bool) -> None:
    assert is_finished(history_of(*scores), 100, patience) == finished
