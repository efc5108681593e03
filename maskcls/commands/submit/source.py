"""What is uploaded: the checkout, or else the installed packages, and never the data."""

import contextlib
import importlib.util
import os
import shutil
import tempfile
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskcls.cluster.ray_internals import submission
from maskcls.commands.submit.address import quiet_ray
from maskcls.core.errors import UserError

LARGEST_SOURCE = 50 * 2**20  # the source has some 2 MiB; Ray's dashboard accepts 100 [bytes]
PACKAGES = ("maskcls", "ray_jobs")


@contextlib.contextmanager
def source() -> Iterator[tuple[Path, bool]]:
    """The folder whose content is uploaded, and whether it is a checkout.

    It is the current folder if that is a checkout; else a temporary one with copies of the installed
    packages, since the cluster's machines need the same source.
    """
    here = Path.cwd()
    if is_checkout(here):
        yield here, True
        return
    # A copy of two packages only: site-packages would be uploaded whole.
    with tempfile.TemporaryDirectory(prefix="maskcls-source-") as folder:
        for name in PACKAGES:
            leave = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(_package(name), Path(folder) / name, ignore=leave)
        yield Path(folder), False


def is_checkout(folder: Path) -> bool:
    """Whether this is the top of a checkout of maskcls."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return bool(project["name"] == "maskcls") and (folder / "ray_jobs").is_dir()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)  # imports nothing
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise UserError(f"the package {name} is not installed here; submit from a checkout.")
    return Path(folders[0])


def uploaded_files(folder: Path) -> dict[str, int]:
    """The files that Ray uploads of a working directory: size of each [bytes], by its path within.

    Without what .gitignore and .rayignore name, .git, environments, __pycache__.
    """
    try:
        return submission.uploaded_files(folder, quiet_ray())
    except OSError as e:
        raise UserError(
            f"{e.filename}: would be uploaded with the job and cannot be read ({e.strerror}); make it"
            " readable, or name it in .gitignore."
        ) from e


def refuse_large(files: Mapping[str, int]) -> None:
    """UserError when the upload must contain more than the source; files: sizes in bytes, by path."""
    total = sum(files.values())
    if total <= LARGEST_SOURCE:
        return
    # By top-level folder, which is what a user can name in .gitignore.
    tops: dict[str, int] = {}
    for name, size in files.items():
        top = name.partition("/")[0]
        tops[top] = tops.get(top, 0) + size
    largest = max(tops, key=lambda top: tops[top])
    raise UserError(
        f"{mib(total)} would be uploaded with the job, most of it {largest} ({mib(tops[largest])});"
        " name it in .gitignore: data must be in a bucket, or on storage that the cluster reaches."
    )


def mib(size: int) -> str:
    """A size given in bytes, as text."""
    return f"{size / 2**20:.1f} MiB"


_FILES = ("--config", "--space")  # on this machine; all others are locations that the cluster reads


@dataclass(frozen=True)
class Argument:
    """One of a job's arguments that is a location: its name in the help, and the given value."""

    name: str
    value: str


def refuse_relative(places: Sequence[Argument]) -> None:
    """UserError for a location given as a relative path; files that may be uploaded are not checked."""
    for place in places:
        if place.name not in _FILES and _is_relative(place.value):
            raise UserError(
                f"{place.name} {place.value}: a relative path is not valid in a job, which runs in a"
                " folder of Ray's; give s3://BUCKET/... or an absolute path that the cluster reaches."
            )


def refuse_left_behind(places: Sequence[Argument], names: Collection[str]) -> None:
    """UserError for a file given as a relative path that is not among the uploaded names."""
    for place in places:
        if place.name not in _FILES or not _is_relative(place.value):
            continue
        # The job starts at the top of the uploaded folder, as the command did here.
        if os.path.normpath(place.value) not in names:
            raise UserError(
                f"{place.name} {place.value}: this file is not uploaded with the job; put it into the"
                " checkout that is submitted, where .gitignore does not name it, or give an absolute"
                " path that the cluster reaches."
            )


def _is_relative(text: str) -> bool:
    # ~ is the home folder of the job's machine.
    return "://" not in text and not text.startswith(("/", "~"))
