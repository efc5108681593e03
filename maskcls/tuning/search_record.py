"""search.json: what identifies a search and the time spent; another search is not resumed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from maskcls.config.resolve import differences, to_json
from maskcls.core.errors import UserError
from maskcls.core.plain import to_plain
from maskcls.core.task import differences as differences_of_tasks
from maskcls.runs.prepare import Prepared
from maskcls.store.folder import Folder
from maskcls.store.record import Described, Ending, Record, ending
from maskcls.store.run import FOLDS
from maskcls.store.tables import write_table
from maskcls.tuning.space import Space, SpaceJson

SEARCH_JSON = "search.json"
_BUDGET = ("trials", "hours", "finalists")
"""These may change, so that a search that was too short can be extended."""
_Tree = dict[str, object]


@dataclass
class SearchContent(Record):
    """The file: a record like that of a run, the settings that trials change, [search], [space], and the
    time spent so far [s]."""

    base: _Tree = field(default_factory=dict)
    search: _Tree = field(default_factory=dict)
    space: _Tree = field(default_factory=dict)
    seconds: float = 0.0


def is_search(folder: Folder) -> bool:
    """Whether the folder contains a search."""
    return folder.exists(SEARCH_JSON)


def read_search(folder: Folder) -> SearchContent:
    """The record of an existing search."""
    return SearchContent.from_json(folder.read_json(SEARCH_JSON), f"{folder}/{SEARCH_JSON}")


class SearchRecord:
    """A search's record, for one command's work on it."""

    def __init__(self, prepared: Prepared, space: Space, command: Sequence[str]) -> None:
        """Open or begin a search; UserError when the folder holds another one."""
        run = prepared.run
        self._root, self._space, self._since = run.folder, space, time.monotonic()
        described = prepared.describe()
        base, mine = to_json(prepared.config), space.to_json()
        if is_search(self._root):
            self.content = read_search(self._root)
            others = differences_of_tasks(run.task, prepared.task) if run.has_task else []
            self._refuse_others(base, mine, described, others)
        else:
            self.content = SearchContent.new(described)
        self.content.base, self.content.search = base, mine["search"]
        self.content.space = mine["space"]
        self._start = self.content.add_start(command)
        self.write()  # first, as it marks the folder as a search: after a kill it is not refused
        # Labels and images alone do not tell the metric that trials are ranked by, or classes' names.
        if not run.has_task:
            run.write_task(prepared.task)
        if run.network() is None:
            run.write_network(prepared.network)
        if not run.is_prepared:
            write_table(self._root, FOLDS, prepared.folds)

    def _refuse_others(
        self, base: _Tree, mine: SpaceJson, described: Described, others: Sequence[str]
    ) -> None:
        """others: what differs in the task."""
        old = self.content
        found = [*differences(old.base, base), *others]
        sections = (
            ("search", mine["search"], old.search),
            ("space", mine["space"], old.space),
        )
        for key, new, then in sections:
            now = json.loads(json.dumps(new))  # as it reads back: tuples become lists
            found += [f"[{key}] differs"] if _fixed(now) != _fixed(then) else []
        found += [
            f"{name}: {old.data.get(name)} there, {described.get(name)} now"
            for name in sorted({*old.data, *described} - {"location"})
            if old.data.get(name) != described.get(name)
        ]
        if found:
            raise UserError(
                f"{self._root}: this search was started differently ({'; '.join(found)}); use the same"
                " settings, space and data to resume it, or another --run."
            )

    @property
    def starts(self) -> int:
        """Number of starts of the command on this search, including this one."""
        return len(self.content.starts)

    def may_begin(self, trials: int) -> bool:
        """Whether the budget allows another trial. trials: number begun so far."""
        search = self._space.search
        hours = (self.content.seconds + time.monotonic() - self._since) / 3600
        if search.hours is not None and hours >= search.hours:
            return False
        return search.max_trials is None or trials < search.max_trials

    def write(self) -> None:
        """Write it, with the time spent so far."""
        # Added at every write, so that a kill loses no more than the time since the last one.
        now = time.monotonic()
        self.content.seconds += now - self._since
        self._since = now
        self._root.write_json(SEARCH_JSON, to_plain(self.content))

    def ending(self, may_write: Callable[[], bool]) -> AbstractContextManager[Ending]:
        """Record how the command ends; see store/record.py. may_write: whether the lease is held."""
        return ending(self._start, self.write, may_write)


def _fixed(values: Mapping[str, Any]) -> _Tree:
    return {name: value for name, value in values.items() if name not in _BUDGET}
