"""Proposals: reproducible, within the space, and better where there is something to learn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from maskcls.tuning.report import importance_of
from maskcls.tuning.sampler import as_optuna, make_sampler
from maskcls.tuning.space import Choice, Range, Search, Space
from maskcls.tuning.trials import Trial

SPACE = Space(
    Search(sampler="optuna", seed=3),
    {
        "optim.lr": Range(1e-5, 1e-1, log=True),
        "train.batch_size": Range(16, 64, step=16),
        "loss.name": Choice(("cross_entropy", "focal")),
    },
)
RANDOM = Space(replace(SPACE.search, sampler="random"), SPACE.domains)


def good_near_1e3(trial: Trial) -> float:
    """A score that only the rate decides; best at 1e-3."""
    return 1 - abs(math.log10(trial.settings["optim.lr"]) + 3) / 3


def searched(
    space: Space, count: int, score: Callable[[Trial], float], known: Sequence[Trial] = ()
) -> list[Trial]:
    """Trials one after the other, after those that are known."""
    sampler, trials = make_sampler(space, known), []
    for number in range(len(known), len(known) + count):
        trial = Trial(number, sampler.propose(number))
        trial.scores, trial.state = [score(trial)], "finished"
        sampler.tell(trial)
        trials.append(trial)
    return trials


@pytest.mark.parametrize("space", [SPACE, RANDOM], ids=["optuna", "random"])
def test_proposals_lie_in_the_space_and_come_again(space: Space) -> None:
    first, second = (searched(space, 12, good_near_1e3) for _ in range(2))
    assert [t.settings for t in first] == [t.settings for t in second]
    for trial in first:
        assert 1e-5 <= trial.settings["optim.lr"] <= 1e-1
        assert trial.settings["train.batch_size"] in (16, 32, 48, 64)
        assert trial.settings["loss.name"] in ("cross_entropy", "focal")
    assert len({t.settings["optim.lr"] for t in first}) == 12


def test_a_random_trial_depends_on_its_number_alone() -> None:
    one, other = make_sampler(RANDOM, ()), make_sampler(RANDOM, ())
    late = other.propose(7)
    for number in range(7):
        one.propose(number)
    assert one.propose(7) == late


def test_optuna_learns_and_resumes_from_records() -> None:
    trials = searched(SPACE, 30, good_near_1e3)
    late = sum(good_near_1e3(t) for t in trials[20:]) / 10
    early = sum(good_near_1e3(t) for t in trials[:10]) / 10
    assert late > early + 0.1
    again = searched(SPACE, 10, good_near_1e3, trials)
    assert sum(good_near_1e3(t) for t in again) / 10 > early + 0.1


def test_proposals_that_were_turned_down_do_not_stay_at_work() -> None:
    sampler = make_sampler(SPACE, ())
    for attempt in range(3):
        sampler.propose(0, attempt)
    sampler.propose(1)
    states = [trial.state.name for trial in sampler._study.trials]  # type: ignore[attr-defined]
    assert states == ["FAIL", "FAIL", "RUNNING", "RUNNING"]


def test_stopped_and_failed_trials_can_be_told() -> None:
    sampler = make_sampler(SPACE, ())
    for number, (state, scores) in enumerate(
        [("stopped", [0.1]), ("failed", []), ("refused", []), ("finished", [0.1, 0.3])]
    ):
        trial = Trial(number, sampler.propose(number), state, scores)  # type: ignore[arg-type]
        sampler.tell(trial)
    assert sampler.propose(4)
    assert as_optuna(SPACE, Trial(9, sampler.propose(9), "failed")) is None


def test_what_mattered_is_what_decided() -> None:
    trials = searched(RANDOM, 40, good_near_1e3)
    found = importance_of(RANDOM, trials)
    assert max(found.shares, key=lambda name: found.shares[name]) == "optim.lr"
    assert found.shares["optim.lr"] > 0.8
    assert math.isclose(sum(found.shares.values()), 1, abs_tol=1e-6)
    assert found.epoch == 1


def test_trials_are_compared_after_the_epochs_that_all_have() -> None:
    trials = searched(RANDOM, 12, good_near_1e3)
    for trial in trials[:6]:
        trial.scores.append(5.0)  # what longer trials reached later says nothing
    assert importance_of(RANDOM, trials).shares["optim.lr"] > 0.5


def test_few_trials_say_nothing() -> None:
    found = importance_of(RANDOM, searched(RANDOM, 3, good_near_1e3))
    assert found.shares == {}
    assert "too few" in found.note
    assert importance_of(RANDOM, searched(RANDOM, 9, lambda t: 0.5)).note == (
        "All trials scored the same."
    )
