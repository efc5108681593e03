"""`maskcls runs`: all runs below a folder, with score, what differs from their origin, notes."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from maskcls.commands.derived_from import Bases, Derived
from maskcls.config.one_setting import did_you_mean, read_value, require_setting
from maskcls.core.errors import Exit, UserError
from maskcls.core.metrics import oriented
from maskcls.core.task import MetricName
from maskcls.evaluation.what_differs import Settings, numbers_of
from maskcls.store.folder import Folder
from maskcls.store.notes import Note
from maskcls.store.provenance import ENDING, Submission, read_submission, runs_in
from maskcls.store.record import Start
from maskcls.store.results import Metrics
from maskcls.store.run import Run, is_run_with

State = Literal["finished", "running", "failed", "started"]
SILENT_S = 120.0
"""A command on another machine whose folds have reported nothing for this time is taken for dead [s]."""
KEYS = ("score", "run", "state", "created")


@dataclass(frozen=True)
class Listed:
    """A run. state: started: neither finished nor in progress, and its command did not fail.

    score: of the ranking metric, higher is better (log loss with its sign changed); interval: of the
    score, 95 %; interval_note: what to know of it. base, preset, differs: what it was derived from, see
    derived_from.Derived. submissions: those below the same folder that the run is in.
    """

    run: str
    location: str
    state: State
    metric: MetricName | None
    score: float | None
    interval: tuple[float, float] | None
    interval_note: str | None
    base: str
    preset: str | None
    differs: Settings
    tags: tuple[str, ...]
    notes: tuple[Note, ...]
    created: str
    settings: Mapping[str, Any]
    submissions: tuple[Submission, ...]

    @property
    def value(self) -> float | None:
        """The metric as its name says."""
        return None if self.score is None or not self.metric else oriented(self.metric, self.score)

    @property
    def value_interval(self) -> tuple[float, float] | None:
        """Of the value."""
        return _oriented(self.metric, self.interval)

    def to_json(self) -> dict[str, Any]:
        """As --json has it: score and interval, for which higher is better, and the value."""
        return {
            "run": self.location,
            "state": self.state,
            "metric": self.metric,
            "score": self.score,
            "value": self.value,
            "interval": self.interval and list(self.interval),
            "value_interval": self.value_interval and list(self.value_interval),
            "interval_note": self.interval_note,
            "base": self.base,
            "preset": self.preset,
            "differs": {name: list(values) for name, values in self.differs.items()},
            "tags": list(self.tags),
            "notes": [{"time": note.time, "text": note.text} for note in self.notes if note.text],
            "created": self.created,
            "submissions": [_plain(one) for one in self.submissions],
        }


@dataclass(frozen=True)
class Found:
    """Runs, in order, and submissions that have a forecast or an answer, below a folder.

    others: number of runs that were not asked for.
    """

    runs: tuple[Listed, ...]
    submissions: tuple[Submission, ...]
    others: int = 0


def runs(
    root: str = ".", warn: Callable[[str], None] = lambda text: None, sort: str = "score",
    where: Sequence[str] = (), tags: Sequence[str] = (),
) -> Found:  # fmt: skip
    """The runs below a folder.

    warn: called for each that cannot be read; these are skipped. sort: score (best first), run, state,
    created, or a setting; with a minus before it, the other way round. where: NAME=VALUE, settings (or
    state) that a run must have. tags: likewise.

    Raises UserError for a folder that does not exist, a name that no setting has, and a value that it
    cannot have.
    """
    folder = Folder.at(root)
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one with runs below it.")
    wanted = [_wanted(text) for text in where]
    require_setting(sort.removeprefix("-"), f"--sort {sort}", KEYS)
    found: list[Run] = []
    submissions: list[Submission] = []
    for inside, names in _folders(folder, warn):
        if is_run_with(names):
            found.append(Run(inside))
        for name in (name for name in names if name.endswith(ENDING)):
            with _skipping(warn, f"{inside}/{name}"):
                submissions.append(read_submission(inside, name))
    listed: list[Listed] = []
    bases = Bases()
    runs_of: list[tuple[Submission, frozenset[str]]] = []
    for one in submissions:
        with _skipping(warn, one.file):
            runs_of.append((one, runs_in(one, found)))
    for run in found:
        with _skipping(warn, run):
            into = [one for one, places in runs_of if run.folder.location in places]
            listed.append(_listed(run, bases.of(run), into))
    kept = [
        run
        for run in listed
        if set(tags) <= set(run.tags) and all(_has(run, name, value) for name, value in wanted)
    ]
    judged = [one for one in submissions if one.forecast or one.submitted]
    return Found(tuple(_in_order(kept, sort)), tuple(judged), len(listed) - len(kept))


@contextmanager
def _skipping(warn: Callable[[str], None], where: object) -> Iterator[None]:
    """One run, submission or folder that cannot be read must not hide the others."""
    try:
        yield
    except (OSError, UserError) as e:  # these name the file
        warn(f"left out of the list: {e}")
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        why = f"{type(e).__name__}: {e}".partition("\n")[0][:200]
        warn(f"left out of the list: {where}: a file in it is damaged ({why}); restore it.")


def _folders(root: Folder, warn: Callable[[str], None]) -> Iterator[tuple[Folder, frozenset[str]]]:
    """Folders from the root down with the names in each; what is below a run is its own."""
    pending, seen = [root], set()
    while pending:
        folder = pending.pop()
        # A link may lead back up.
        real = os.path.realpath(folder.location) if folder.is_local else folder.location
        if real in seen:
            continue
        seen.add(real)
        with _skipping(warn, folder):
            entries = folder.list()
            names = frozenset(entry.name for entry in entries if entry.is_file)
            yield folder, names
            if not is_run_with(names):
                below = [x.name for x in entries if not x.is_file and not x.name.startswith(".")]
                pending += [folder.child(name) for name in reversed(below) if folder.is_dir(name)]


def _listed(run: Run, derived: Derived, submissions: Sequence[Submission]) -> Listed:
    metrics, record, notes = run.metrics(), run.record(), run.notes()
    metric = run.task.metric if run.has_task else None
    interval = run.oof_interval()
    return Listed(
        str(run), run.folder.location, _state(run), metric,
        metrics.oof.score.score if metrics and metrics.oof else None,
        _oriented(metric, interval), _note(metrics) if interval else None,
        derived.base, derived.preset, derived.differs,
        tuple(dict.fromkeys(tag for note in notes for tag in note.tags)), tuple(notes),
        record.created if record else "", numbers_of(run.config),
        tuple(submissions),
    )  # fmt: skip


def _note(metrics: Metrics | None) -> str | None:
    """What to know of a run's interval."""
    if metrics is None or metrics.oof is None:
        return None
    if (judged := metrics.oof.judged) is not None:
        return judged.interval_note
    return metrics.no_groups  # of a version that judged no score


def _oriented(
    metric: MetricName | None, interval: tuple[float, float] | None
) -> tuple[float, float] | None:
    """A value's interval as the score's, and the reverse."""
    if metric is None or interval is None:
        return interval
    low, high = sorted(oriented(metric, bound) for bound in interval)
    return low, high


def _state(run: Run) -> State:
    if run.is_collected:
        return "finished"
    record = run.record()
    last = None if record is None else record.last_start
    if last is None:
        return "started"
    if last.ended is None:
        return "running" if _is_alive(run, last) else "failed"
    # An interruption is no failure: the same command resumes.
    return "started" if last.exit_code in (Exit.INTERRUPTED, Exit.GOOD) else "failed"


def _is_alive(run: Run, last: Start) -> bool:
    if last.host == platform.node():
        return Path(f"/proc/{last.pid}").exists()
    ages = [beat.age_s() for fold in run.folds() if (beat := fold.heartbeat()) is not None]
    return any(age < SILENT_S for age in ages)


def _wanted(text: str) -> tuple[str, Any]:
    name, sign, value = (part.strip() for part in text.partition("="))
    where = f"--where {text}"
    if not sign or not value:
        raise UserError(f"{where}: write it as NAME=VALUE, such as --where optim.lr=1e-3.")
    if name != "state":
        require_setting(name, where, ["state"])
        return name, read_value(name, value, where)
    if value not in get_args(State):
        raise UserError(f"{where}: there is no state {value}{did_you_mean(value, get_args(State))}")
    return name, value


def _has(run: Listed, name: str, value: Any) -> bool:
    return bool(value == (run.state if name == "state" else run.settings.get(name)))


def _in_order(found: list[Listed], sort: str) -> list[Listed]:
    """Those without the value last, in either direction."""
    key, is_reversed = sort.removeprefix("-"), sort.startswith("-")

    def value(run: Listed) -> Any:
        return getattr(run, key) if key in KEYS else run.settings.get(key)

    by_name = sorted(found, key=lambda run: run.run)
    known = [run for run in by_name if value(run) not in (None, "")]
    last = [run for run in by_name if value(run) in (None, "")]
    # Scores begin with the best one: without a sign, downwards.
    known.sort(key=lambda run: _comparable(value(run)), reverse=is_reversed != (key == "score"))
    if key == "score":  # those of two metrics cannot be compared
        known.sort(key=lambda run: str(run.metric))
    return known + last


def _comparable(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if is_number else 0.0, str(value)


def _plain(one: Submission) -> dict[str, Any]:
    forecast = one.forecast
    return {
        "file": one.file,
        "forecast": forecast
        and {
            "metric": forecast.metric,
            "value": forecast.value,
            "interval": forecast.interval and list(forecast.interval),
        },
        "public": one.public,
        "private": one.private,
        "submitted": [
            {"time": x.time, "public": x.public, "private": x.private} for x in one.submitted
        ],
    }
