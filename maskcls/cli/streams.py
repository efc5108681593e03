"""The process's three streams and its text encoding, made fit before a command begins."""

import os
import sys
from typing import TextIO

_MODES = ("r", "w", "w")


def restart_in_utf8() -> None:
    """Begin anew in Python's UTF-8 mode where the locale's encoding is another one; else return.

    File names are bytes, and pyarrow and Ray write them as UTF-8: under ISO-8859-1 they would look for
    other files than Python does. What is printed keeps the locale's encoding.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    shown = getattr(sys.stdout, "encoding", None) or "utf-8"
    os.environ.setdefault("PYTHONIOENCODING", f"{shown}:backslashreplace")
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # this very command


def open_streams() -> None:
    """Open stdin, stdout and stderr on nothing where they came closed; none may refuse a character.

    A closed descriptor would be given to the next file that is opened, which C libraries would print
    their complaints into.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        if getattr(sys, name) is None:
            stream = open(descriptor, _MODES[descriptor], encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        escape_what_cannot_be_shown(stream)


def escape_what_cannot_be_shown(stream: TextIO) -> None:
    """Let a stream write \\uac00 for a character that its encoding lacks, where it would raise."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
