"""How the process was started: its streams, encoding and flags, made fit before a command begins."""

import os
import sys
from typing import TextIO

_MODES = ("r", "w", "w")


def restart_if_unfit() -> None:
    """Begin this command anew where Python was started in a way that cannot work; else return.

    Another encoding than UTF-8: file names are bytes, and pyarrow and Ray write them as UTF-8, so under
    ISO-8859-1 they would look for other files than Python does; what is printed keeps the locale's
    encoding. Without docstrings (-OO, PYTHONOPTIMIZE=2): Ray cannot be imported.
    """
    words, env = list(sys.orig_argv[1:]), dict(os.environ)
    if sys.getfilesystemencoding() != "utf-8":
        shown = getattr(sys.stdout, "encoding", None) or "utf-8"
        env.setdefault("PYTHONIOENCODING", f"{shown}:backslashreplace")
        env["PYTHONUTF8"] = "1"
    if sys.flags.optimize > 1:
        env.pop("PYTHONOPTIMIZE", None)
        while words and words[0] in ("-O", "-OO"):
            del words[0]
    if env != os.environ or words != sys.orig_argv[1:]:  # else it would come out the same
        os.execve(sys.executable, [sys.executable, *words], env)  # noqa: S606  # this very command


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
