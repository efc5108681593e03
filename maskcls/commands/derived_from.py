"""What a run was derived from: a preset, a settings file, or the base of its study or search.

its record's origin            runs of maskcls train and pipeline
study.json beside the run      the base of the study
search.json above trials/      the settings that the search's trials change
the preset of its command      else, as for runs of earlier versions
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from maskcls.config.layers import preset_names
from maskcls.config.resolve import from_json, resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.evaluation.what_differs import Settings, settings_changed
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.run import Run
from maskcls.store.uris import Uri

_DRAWN = ("kfold", "given")
"""What folds.scheme=auto becomes when the data is read."""
Shared = tuple[str, Config] | None
"""The base of many runs, in words and as settings."""


@dataclass(frozen=True)
class Derived:
    """base: as the list shows it. preset: that is the base, or below the file that is; None where the
    base is a study's or search's. differs: (there, here) of the settings that are others."""

    base: str
    preset: str | None
    differs: Settings


class Bases:
    """Finds what runs were derived from; what several share is read once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Shared] = {}

    def of(self, run: Run) -> Derived:
        """Raises UserError for a run that cannot be read."""
        record = run.record()
        if record and (origin := record.origin):
            differs = {name: (there, here) for name, (there, here) in origin.differs.items()}
            return Derived(origin.base, origin.preset, differs)
        shared = self._shared(run.folder)
        if shared is not None:
            name, base = shared
            return Derived(name, None, settings_changed(base, run.config))
        return _of_preset(run, record)

    def _shared(self, folder: Folder) -> Shared:
        """The base of the study or search that the run is in."""
        above = _above(folder)
        if above is None:
            return None
        found = self._once(above, "study")
        if found is not None or above.shown.rpartition("/")[2] != "trials":
            return found
        top = _above(above)  # a trial of a search is at trials/NNN
        return None if top is None else self._once(top, "search")

    def _once(self, folder: Folder, kind: str) -> Shared:
        key = (folder.location, kind)
        if key not in self._found:
            self._found[key] = None
            # A run is listed also where its study or search is damaged.
            with suppress(OSError, UserError, AttributeError, KeyError, TypeError, ValueError):
                # As JSON: to import the modules that own these files takes as long as the whole list.
                if folder.exists(f"{kind}.json"):
                    base = from_json(folder.read_json(f"{kind}.json")["base"])
                    self._found[key] = (f"{kind} base", base)
        return self._found[key]


def _above(folder: Folder) -> Folder | None:
    if folder.is_local:
        return Folder.at(folder.local_path.parent)
    uri = Uri.parse(folder.location)
    above = replace(uri, path=uri.path.rpartition("/")[0])
    return Folder(str(above), is_local=False) if uri.path else None


def _of_preset(run: Run, record: Record | None) -> Derived:
    """By the words of the run's first command; its settings file, if any, is not known."""
    words = record.starts[0].command if record and record.starts else []
    name = next(reversed(_given(words, "--preset")), "")
    if name not in preset_names():
        is_mask = not run.has_task or run.task.is_mask
        name = "demo" if words[1:2] == ["demo"] else "report" if is_mask else "plain"
    differs = settings_changed(_preset(name), run.config)
    # The data settles folds.scheme=auto, and how many folds it names: nobody changed these.
    typed = {text.partition("=")[0].strip() for text in _given(words, "--set")}
    if run.config.folds.scheme in _DRAWN and "folds.scheme" not in typed:
        differs.pop("folds.scheme", None)
    if run.config.folds.scheme == "given":
        differs.pop("folds.count", None)
    return Derived(name, name, differs)


def _given(words: list[str], option: str) -> list[str]:
    """The values of an option in a command, in order."""
    return [
        after if word == option else word.partition("=")[2]
        for word, after in pairwise([*words, ""])
        if word == option or word.startswith(f"{option}=")
    ]


@cache
def _preset(name: str) -> Config:
    return resolve(name)
