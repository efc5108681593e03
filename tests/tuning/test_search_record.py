"""What a search remembers between starts: what it is, and what of its budget is spent."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.store.folder import Folder
from maskcls.store.run import Network, Run
from maskcls.tuning import search_record as records
from maskcls.tuning.search_record import SearchRecord
from maskcls.tuning.space import Choice, Search, Space
from tests.tasks import FRUIT

DOMAINS = {"optim.lr": Choice((1e-2, 1e-3))}


class Clock:
    """Time that passes only on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(records.time, "monotonic", lambda: self.seconds)

    def pass_hours(self, hours: float) -> None:
        self.seconds += 3600 * hours


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def start(
    root: Path, search: Search, fingerprint: str = "images", task: Task = FRUIT
) -> SearchRecord:
    """Another start of the command."""
    prepared: Any = SimpleNamespace(
        run=Run(Folder.at(root)),
        config=resolve("smoke"),
        network=Network(1, (0.5,) * 3, (0.5,) * 3, False, {}),
        task=task,
        describe=lambda: {"fingerprint": fingerprint},
        folds=pd.DataFrame({"group": ["a"], "fold": [0]}),
    )
    return SearchRecord(prepared, Space(search, DOMAINS), ["maskcls", "tune"])


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (replace(FRUIT, metric="log_loss"), "metric: macro_f1 there, log_loss now"),
        (
            replace(FRUIT, parts=(Part("label", ("ash", "beech", "cedar", "dogwood")),)),
            "parts: .*ash",
        ),
    ],
)
def test_a_search_for_another_task_is_refused(tmp_path: Path, task: Task, says: str) -> None:
    start(tmp_path, Search())
    start(tmp_path, Search())
    with pytest.raises(UserError, match=f"this search was started differently .*{says}"):
        start(tmp_path, Search(), task=task)


def test_hours_are_spent_over_all_starts(tmp_path: Path, clock: Clock) -> None:
    search = Search(trials=None, hours=2.0)
    first = start(tmp_path, search)
    clock.pass_hours(1.5)
    assert first.may_begin(1000)
    first.write()
    clock.pass_hours(100)  # nobody searches
    second = start(tmp_path, search)
    assert second.starts == 2
    clock.pass_hours(0.4)
    assert second.may_begin(0)
    clock.pass_hours(0.2)
    assert not second.may_begin(0)
    # More of it is no other search.
    second.write()
    assert start(tmp_path, replace(search, hours=3.0)).may_begin(0)


def test_trials_and_hours_bind_together(tmp_path: Path, clock: Clock) -> None:
    record = start(tmp_path, Search(trials=3, hours=1.0))
    assert record.may_begin(2)
    assert not record.may_begin(3)
    clock.pass_hours(1.1)
    assert not record.may_begin(2)


def test_without_a_budget_there_are_twenty_trials(tmp_path: Path, clock: Clock) -> None:
    record = start(tmp_path, Search())
    assert record.may_begin(19)
    assert not record.may_begin(20)


@pytest.mark.parametrize(
    ("search", "fingerprint", "says"),
    [
        (Search(trials=3, seed=1), "images", r"\[search\] differs"),
        (Search(trials=3), "other images", "fingerprint: images there, other images now"),
    ],
)
def test_another_search_is_refused_by_what_differs(
    tmp_path: Path, search: Search, fingerprint: str, says: str
) -> None:
    start(tmp_path, Search(trials=3))
    with pytest.raises(UserError, match=says):
        start(tmp_path, search, fingerprint)
    start(tmp_path, Search(trials=9, finalists=1))
