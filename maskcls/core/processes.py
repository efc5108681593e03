# ruff: noqa: PTH100, PTH109, PTH120, PTH206
"""Python processes that import the same maskcls as this one, and nothing from the current folder.

This module imports only what Python has loaded at its start: it runs before the current folder leaves
sys.path, where a user's file may hide any other module (hence os.path, not pathlib).
"""

import os
import sys


def python_command(*words: str) -> list[str]:
    """Command line of this Python, which does not import from the current folder (-P)."""
    return [sys.executable, "-P", *words]


def python_environment() -> dict[str, str]:
    """This process's environment, with a PYTHONPATH by which maskcls is found."""
    paths = [*source_path(), *filter(None, _python_path())]  # an empty part is the current folder
    return os.environ | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def source_path() -> list[str]:
    """The folder of maskcls as a list, empty where another Python process finds it without help."""
    root = _root()
    if root in [os.path.abspath(path) for path in _python_path() if path]:
        return []
    # Every Python of this environment looks there itself.
    return [] if {"site-packages", "dist-packages"} & set(root.split(os.sep)) else [root]


def leave_current_folder_out() -> None:
    """Import nothing from the current folder, in this process or those that it starts.

    `python -m` puts it first in sys.path, and so does an empty part of PYTHONPATH, where a user's
    random.py would hide the library's. Where maskcls itself is in it, it stays.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # the same for processes that multiprocessing starts
    named = _python_path()
    has_empty = len(named) > 1 and "" in named
    if has_empty:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, named))
    try:
        here = os.getcwd()
    except OSError:  # the folder was deleted; cli/main.py reports it
        return
    # Run from a checkout, maskcls may be found through the current folder only.
    if os.path.realpath(here) == os.path.realpath(_root()):
        return
    paths = sys.path if has_empty else sys.path[:1]
    for path in [path for path in paths if os.path.abspath(path) == here]:
        sys.path.remove(path)


def _root() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)
