"""FILE.provenance.json beside a submission: what it was forecast to score, and what came back."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from maskcls.core.errors import UserError
from maskcls.core.names import without_credentials
from maskcls.store.folder import Folder, absolute_path
from maskcls.store.outputs import OutputFile
from maskcls.store.record import now
from maskcls.store.run import Run
from maskcls.store.uris import is_uri

ENDING = ".provenance.json"


@dataclass(frozen=True)
class Forecast:
    """What the leaderboard was expected to say: a metric's value and its interval, if it has one."""

    metric: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class CameBack:
    """A leaderboard's answer."""

    time: str
    public: float | None
    private: float | None


@dataclass(frozen=True)
class Submission:
    """A submission by its provenance. runs: locations of the runs in it, as they were named."""

    file: str
    runs: tuple[str, ...]
    forecast: Forecast | None
    submitted: tuple[CameBack, ...]

    @property
    def public(self) -> float | None:
        """The public score that came back last."""
        return self._last("public")

    @property
    def private(self) -> float | None:
        """The private one; mostly recorded later, and without the public one."""
        return self._last("private")

    def _last(self, name: str) -> float | None:
        values = (getattr(one, name) for one in reversed(self.submitted))
        return next((value for value in values if value is not None), None)

    @classmethod
    def from_json(cls, file: str, values: Mapping[str, Any]) -> Self:
        """Read what is needed of a provenance; older ones have neither forecast nor answers."""
        found = values.get("forecast")
        forecast = None
        if found and found.get("value") is not None:
            interval = found.get("interval")
            pair = (float(interval[0]), float(interval[1])) if interval else None
            forecast = Forecast(str(found["metric"]), float(found["value"]), pair)
        answers = tuple(
            CameBack(str(one["time"]), _number(one.get("public")), _number(one.get("private")))
            for one in values.get("submitted", ())
        )
        runs = tuple(str(run["run"]) for run in values.get("runs", ()))
        return cls(file, runs, forecast, answers)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def read_submission(folder: Folder, name: str) -> Submission:
    """The submission whose provenance has this name; UserError when it cannot be read."""
    values = folder.read_json(name)
    try:
        return Submission.from_json(f"{folder}/{name.removesuffix(ENDING)}", values)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as e:
        raise UserError(f"{folder}/{name}: not a provenance that maskcls has written.") from e


def runs_in(submission: Submission, runs: Sequence[Run]) -> frozenset[str]:
    """Locations of those of the runs that a submission is of.

    A run is known by its whole location. A relative one is looked for above the submission, whose
    command ran there as a rule, then in this folder. A run that is no longer where it was is taken for
    the only one of its name; of several nobody knows which. A URI is compared as it is.
    """
    here = {_real(run): run.folder.location for run in runs}
    found = (_location(named, submission, here) for named in submission.runs)
    return frozenset(location for location in found if location is not None)


def _real(run: Run) -> str:
    # Shown without a query, as provenances have it.
    return os.path.realpath(run.folder.location) if run.folder.is_local else str(run)


def _location(named: str, submission: Submission, here: Mapping[str, str]) -> str | None:
    if is_uri(named):
        return here.get(named)
    above = [] if is_uri(submission.file) else absolute_path(submission.file).parents
    for folder in [*above, Path.cwd()]:
        place = os.path.realpath(folder / Path(named).expanduser())
        if place in here:
            return here[place]
        if Run(Folder.at(place)).exists:
            return None  # it is there, and is none of these
    of_this_name = [
        location for real, location in here.items() if Path(real).name == Path(named).name
    ]
    return of_this_name[0] if len(of_this_name) == 1 else None


def write_beside(output: OutputFile, provenance: Mapping[str, Any]) -> None:
    """Write the provenance of an output that is written; nothing beside a stream, where no place is."""
    # After the output, so that a provenance never describes a file that is not there.
    if not output.is_stream:
        output.folder.write_json(f"{output.name}{ENDING}", provenance)


def add_answer(file: str, public: float | None, private: float | None) -> Submission:
    """Write what came back into FILE.provenance.json.

    Raises UserError for a file that neither maskcls ensemble nor maskcls predict has written.
    """
    folder, name = Folder.of_file(file)
    provenance = f"{name.removesuffix(ENDING)}{ENDING}"
    if not folder.exists(provenance):
        raise UserError(
            f"{without_credentials(file)}: there is no {provenance} beside it; name a file that"
            " maskcls ensemble or maskcls predict has written."
        )
    values = folder.read_json(provenance)
    read_submission(folder, provenance)  # refused before anything is written
    answer = {"time": now(), "public": public, "private": private}
    values["submitted"] = [*values.get("submitted", []), answer]
    folder.write_json(provenance, values)
    return read_submission(folder, provenance)
