"""search.json: what a search is, what of its budget is spent; and the refusal to go on as another."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from maskcls.config.resolve import differences, to_json
from maskcls.core.errors import UserError
from maskcls.runs.run import Ready
from maskcls.store import record as records
from maskcls.store.tables import write_table
from maskcls.tuning.space import Space

_BUDGET = ("trials", "hours", "finalists")
"""These may be other ones: that is how one goes on with a search that was too short."""


class SearchRecord:
    """A search's record, for one command's work on it."""

    def __init__(self, ready: Ready, space: Space, command: Sequence[str]) -> None:
        """Open or begin a search; UserError when the folder holds another one."""
        self._root, self._space, self._since = ready.run, space, time.monotonic()
        described = ready.data_set.describe(ready.data_folder.shown) | ready.inputs.described
        mine = {"base": to_json(ready.config), **space.to_json()}
        if self._root.exists("search.json"):
            self.content: dict[str, Any] = self._root.read_json("search.json")
            self._refuse_others(mine, described)
            self.content |= mine
        else:
            self.content = records.new_record(described) | mine | {"seconds": 0.0}
        self._entry = records.add_start(self.content, command)
        self.write()  # first: it tells that the folder is a search
        if not self._root.exists("network.json"):
            self._root.write_json("network.json", ready.network)
        if not self._root.exists("folds.parquet"):
            write_table(self._root, "folds.parquet", ready.folds)

    def _refuse_others(self, mine: Mapping[str, Any], described: Mapping[str, Any]) -> None:
        old = self.content
        found = differences(old["base"], mine["base"])
        for key in ("search", "space"):
            now, then = (_without_budget(x[key]) for x in (json.loads(json.dumps(mine)), old))
            found += [f"[{key}] differs"] if now != then else []
        found += [
            f"{name}: {old['data'].get(name)} there, {described.get(name)} now"
            for name in sorted({*old["data"], *described} - {"location"})
            if old["data"].get(name) != described.get(name)
        ]
        if found:
            raise UserError(
                f"{self._root}: this search was started otherwise ({'; '.join(found)}); use the same"
                " to go on with it, or another --run."
            )

    @property
    def starts(self) -> int:
        """How often the command was started on it, this time included."""
        return len(self.content["starts"])

    def may_begin(self, trials: int) -> bool:
        """The budget has room for another trial after so many."""
        search = self._space.search
        hours = (self.content["seconds"] + time.monotonic() - self._since) / 3600
        if search.hours is not None and hours >= search.hours:
            return False
        return search.most_trials is None or trials < search.most_trials

    def write(self) -> None:
        """Write it, with the time spent so far."""
        now = time.monotonic()
        self.content["seconds"] += now - self._since
        self._since = now
        self._root.write_json("search.json", self.content)

    @contextmanager
    def ending(self, may_write: Callable[[], bool]) -> Iterator[records.Ending]:
        """Note how the command ends; see store/record.py. may_write: the folder is still ours."""

        def write() -> None:
            if may_write():
                self.write()

        with records.ending(self._entry, write) as end:
            yield end


def _without_budget(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _BUDGET}
