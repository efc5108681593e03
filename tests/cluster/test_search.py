"""ASHA as we use it: it knows earlier scores, and ends nobody at the last epoch."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from maskcls.search.space import Search

pytestmark = pytest.mark.slow  # importing Ray Tune takes seconds


@dataclass
class Trial:
    """As much of a Tune trial as a scheduler looks at."""

    trial_id: str
    config: dict[str, Any] = field(default_factory=dict)


def decisions(
    known: dict[int, list[float]], number: int, scores: list[float], start: int = 0
) -> str:
    from maskcls.cluster.search import _Asha

    asha = _Asha(known, Search(first_rung=1, reduction=2), 4)
    trial = Trial("x", {"number": number})
    asha.on_trial_add(None, trial)
    told = ""
    for epoch, score in enumerate(scores[start:], start + 1):
        result = {"epoch": epoch, "macro_f1": score}
        told += "S" if asha.on_trial_result(None, trial, result) == "STOP" else "c"
        if told[-1] == "S":
            break
    return told


def test_a_weak_trial_is_ended_by_what_earlier_starts_knew() -> None:
    known = {0: [0.5, 0.6, 0.6, 0.6], 1: [0.4, 0.5, 0.5, 0.5]}
    assert decisions(known, 2, [0.1, 0.2, 0.3, 0.4]) == "S"
    assert decisions(known, 2, [0.6, 0.7, 0.7, 0.7]) == "cccc"
    assert decisions({}, 2, [0.1, 0.2, 0.3, 0.4]) == "cccc"


def test_nobody_is_ended_at_the_last_epoch() -> None:
    known = {0: [0.1, 0.1, 0.1, 0.9], 1: [0.1, 0.1, 0.1, 0.8]}
    assert decisions(known, 2, [0.2, 0.2, 0.2, 0.2]) == "cccc"


def test_a_trial_that_goes_on_keeps_its_rungs() -> None:
    # Its own first score is known already and is not held against it twice.
    known = {0: [0.5, 0.6], 1: [0.4, 0.5], 2: [0.45]}
    assert decisions(known, 2, [0.45, 0.7, 0.7, 0.7], start=1) == "ccc"
    assert decisions(known, 2, [0.45, 0.1, 0.7, 0.7], start=1) == "S"
