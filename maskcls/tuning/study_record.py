"""study.json: what identifies a study, its changes and seeds, and what came of them.

More changes and more seeds may be added; another base, other data or other folds are refused, since
their runs could not be compared with those that are there.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from maskcls.config.resolve import differences, to_json
from maskcls.core.errors import UserError
from maskcls.core.plain import to_plain
from maskcls.core.task import MetricName
from maskcls.runs import identity
from maskcls.runs.prepare import Prepared
from maskcls.store.folder import Folder
from maskcls.store.record import Ending, Record, ending
from maskcls.store.run import FOLDS, Run
from maskcls.store.tables import write_table
from maskcls.tuning.study_plan import Change
from maskcls.tuning.study_results import ChangeEntry, Compared

STUDY_JSON, STUDY_HTML = "study.json", "study.html"


@dataclass
class StudyContent(Record):
    """The file: a record like that of a run; the base's settings; all changes and seeds so far.

    failed: why, by the run's name, of those that are not finished. results: the best first.
    """

    base: dict[str, object] = field(default_factory=dict)
    metric: MetricName = "macro_f1"
    changes: list[ChangeEntry] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    results: list[Compared] = field(default_factory=list)


def is_study(folder: Folder) -> bool:
    """Whether the folder contains a study."""
    return folder.exists(STUDY_JSON)


def read_study(folder: Folder) -> StudyContent:
    """The record of an existing study."""
    return StudyContent.from_json(folder.read_json(STUDY_JSON), f"{folder}/{STUDY_JSON}")


def found_or_new(prepared: Prepared) -> StudyContent:
    """The record of the study in the folder, or a new one; UserError when it is of another study."""
    run, described, base = prepared.run, prepared.describe(), to_json(prepared.config)
    if not is_study(run.folder):
        content = StudyContent.new(described)
        content.base, content.metric = base, prepared.task.metric
        return content
    content = read_study(run.folder)
    found = differences(content.base, base)
    found += [
        f"{name}: {content.data.get(name)} there, {described.get(name)} now"
        for name in sorted({*content.data, *described} - {"location"})
        if content.data.get(name) != described.get(name)
    ]
    if found:
        raise UserError(
            f"{run}: this study was started differently ({'; '.join(found)}); use the same base,"
            " settings and data to go on with it, or another --out."
        )
    if run.has_task:
        identity.refuse_other_task(run, prepared.task)
    if run.is_prepared:
        identity.refuse_other_folds(run, prepared.folds)
    if (network := run.network()) is not None:
        identity.refuse_other_weights(run.folder, network)
    return content


class StudyRecord:
    """A study's record, for one command's work on it; its lease is held."""

    def __init__(
        self, prepared: Prepared, changes: Sequence[Change], seeds: Sequence[int],
        command: Sequence[str],
    ) -> None:  # fmt: skip
        """Open or begin a study; UserError when the folder holds another one."""
        self._run: Run = prepared.run
        self.content = content = found_or_new(prepared)
        known = {entry.text for entry in content.changes}
        content.changes += [
            ChangeEntry(c.text, c.name, c.settings) for c in changes if c.text not in known
        ]
        content.seeds = sorted({*content.seeds, *seeds})
        self._start = content.add_start(command)
        self.write()  # first, as it marks the folder as a study: after a kill it is not refused
        if not self._run.has_task:
            self._run.write_task(prepared.task)
        if self._run.network() is None:
            self._run.write_network(prepared.network)
        if not self._run.is_prepared:
            write_table(self._run.folder, FOLDS, prepared.folds)

    def write(self) -> None:
        """Write it."""
        self._run.folder.write_json(STUDY_JSON, to_plain(self.content))

    def ending(self, may_write: Callable[[], bool]) -> AbstractContextManager[Ending]:
        """Record how the command ends; see store/record.py. may_write: whether the lease is held."""
        return ending(self._start, self.write, may_write)
