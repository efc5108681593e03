"""Fetching what a job made into a local folder."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from maskcls.commands.submit.places import Argument
from maskcls.commands.submit.words import last_line
from maskcls.core.errors import UserError
from maskcls.core.names import without_credentials
from maskcls.store.paths import Folder

RUN_FILES = (
    "metrics.json", "config.json", "record.json", "folds.parquet", "oof.parquet", "eval.parquet",
)  # fmt: skip
SEARCH_FILES = ("best.toml", "search.json", "trials.json", "search.html")


def results(job: str, places: Sequence[Argument]) -> list[tuple[str, tuple[str, ...]]]:
    """Where a job's results lie: a folder with the names of files in it, or a file and no names."""
    given = {place.name: place.value for place in places}
    found: list[tuple[str | None, tuple[str, ...]]] = []
    if job in ("ensemble", "predict", "pipeline"):
        found.append((given.get("--out"), ()))
    if job in ("train", "pipeline"):
        found.append((given.get("--run"), RUN_FILES))
    if job == "tune":
        found.append((given.get("--run"), SEARCH_FILES))
    return [(location, names) for location, names in found if location]


def fetch(job: str, places: Sequence[Argument], target: Folder) -> tuple[list[str], list[str]]:
    """Copy a job's results into a local folder; nothing there is replaced.

    Returns the names of the files copied, and a sentence for each result that was not.
    """
    fetched: list[str] = []
    missing: list[str] = []
    for location, names in results(job, places):
        try:
            if names:
                folder = Folder.at(location)
            else:
                folder, name = Folder.of_file(location)
                names = (name, f"{name}.provenance.json")
            _copy(folder, names, target, fetched)
        except (UserError, OSError) as e:  # pyarrow has an OSError for a store that does not answer
            text = str(e) if isinstance(e, UserError) else f"{location}: {last_line(str(e))}."
            missing.append(without_credentials(text))
    return fetched, missing


def _copy(folder: Folder, names: Sequence[str], target: Folder, fetched: list[str]) -> None:
    """Copy the files that there are; UserError when the first, which always is, cannot be seen."""
    if not folder.exists(names[0]):
        raise UserError(
            f"{folder}/{names[0]}: not to be seen from this machine; fetch it from one that reaches it."
        )
    for name in names:
        if not folder.exists(name):
            continue
        if target.exists(name):
            raise UserError(f"{target}/{name}: is there already; fetch {folder}/{name} by hand.")
        target.fill_file(name, partial(_pour, folder, name))
        fetched.append(name)


def _pour(folder: Folder, name: str, path: Path) -> None:
    with path.open("wb") as file:
        for piece in folder.read_chunks(name):
            file.write(piece)
