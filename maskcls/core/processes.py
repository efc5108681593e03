"""Python processes of our own: they import the same maskcls as this one, and nothing of the user's."""

import os
import sys
from pathlib import Path

import maskcls


def python_command(*words: str) -> list[str]:
    """Command line of this Python, which does not import from the current folder (-P)."""
    return [sys.executable, "-P", *words]


def python_environment() -> dict[str, str]:
    """This process's environment, with a PYTHONPATH by which maskcls is found."""
    paths = [*source_path(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # An empty or relative part of it would be the current folder, or below it, as the user meant.
    return os.environ | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def source_path() -> list[str]:
    """The folder to import maskcls from, where another Python process would not find it by itself."""
    root = Path(maskcls.__path__[0]).absolute().parent
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root in [Path(path).absolute() for path in told if path]:
        return []
    return [] if {"site-packages", "dist-packages"} & set(root.parts) else [str(root)]


def leave_current_folder_out() -> None:
    """Import nothing from the current folder, in this process or those that it starts.

    `python -m` puts it first in sys.path, and so does an empty part of PYTHONPATH, where a user's
    random.py would hide the library's. Where maskcls itself lies in it, it stays.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # also for those that multiprocessing starts
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    has_empty = len(told) > 1 and "" in told
    if has_empty:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, told))
    try:
        here = Path.cwd()
    except OSError:  # it was deleted; main refuses to go on
        return
    if here.resolve() == Path(maskcls.__path__[0]).resolve().parent:
        return
    paths = sys.path if has_empty else sys.path[:1]
    for path in [path for path in paths if Path(path).absolute() == here]:
        sys.path.remove(path)
