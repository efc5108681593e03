# ruff: noqa: PTH100, PTH109, PTH120, PTH206
"""Python processes of our own: they import the same maskcls as this one, and nothing of the user's.

Imports no more than Python itself has loaded: it is asked to leave the current folder out of sys.path,
where a file may hide any other module.
"""

import os
import sys


def python_command(*words: str) -> list[str]:
    """Command line of this Python, which does not import from the current folder (-P)."""
    return [sys.executable, "-P", *words]


def python_environment() -> dict[str, str]:
    """This process's environment, with a PYTHONPATH by which maskcls is found."""
    paths = [*source_path(), *filter(None, _python_path())]  # an empty one is the current folder
    return os.environ | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def source_path() -> list[str]:
    """The folder to import maskcls from, where another Python process would not find it by itself."""
    root = _root()
    if root in [os.path.abspath(path) for path in _python_path() if path]:
        return []
    return [] if {"site-packages", "dist-packages"} & set(root.split(os.sep)) else [root]


def leave_current_folder_out() -> None:
    """Import nothing from the current folder, in this process or those that it starts.

    `python -m` puts it first in sys.path, and so does an empty part of PYTHONPATH, where a user's
    random.py would hide the library's. Where maskcls itself lies in it, it stays.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # also for those that multiprocessing starts
    named = _python_path()
    has_empty = len(named) > 1 and "" in named
    if has_empty:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, named))
    try:
        here = os.getcwd()
    except OSError:  # it was deleted; main refuses to begin
        return
    if os.path.realpath(here) == os.path.realpath(_root()):
        return
    paths = sys.path if has_empty else sys.path[:1]
    for path in [path for path in paths if os.path.abspath(path) == here]:
        sys.path.remove(path)


def _root() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)
