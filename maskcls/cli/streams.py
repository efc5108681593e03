"""Streams, encoding and flags of this process, corrected before a command begins."""

import os
import sys
from typing import TextIO

_MODES = ("r", "w", "w")  # of stdin, stdout, stderr


def restart_if_unfit() -> None:
    """Restart this command if Python was started in a way that cannot work; otherwise return.

    Another encoding than UTF-8: file names are bytes, and pyarrow and Ray write them as UTF-8, so under
    ISO-8859-1 they would look for other files than Python does; printed text keeps the locale's
    encoding. Without docstrings (-OO, PYTHONOPTIMIZE=2): Ray cannot be imported.
    """
    words, env = list(sys.orig_argv[1:]), dict(os.environ)
    if sys.getfilesystemencoding() != "utf-8":
        shown = getattr(sys.stdout, "encoding", None) or "utf-8"
        env.setdefault("PYTHONIOENCODING", f"{shown}:backslashreplace")
        env["PYTHONUTF8"] = "1"
    # Both ways to ask for it: the variable, and the flags, which may be repeated.
    if sys.flags.optimize > 1:
        env.pop("PYTHONOPTIMIZE", None)
        while words and words[0] in ("-O", "-OO"):
            del words[0]
    if env != os.environ or words != sys.orig_argv[1:]:  # otherwise it would restart for ever
        os.execve(sys.executable, [sys.executable, *words], env)  # noqa: S606  # this very command


def open_streams() -> None:
    """Open stdin, stdout and stderr on /dev/null where they are closed; none may refuse a character.

    Otherwise the next file that is opened gets the closed descriptor, and C libraries print their
    warnings into it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        # Python leaves None where a descriptor was closed at its start, and print() then does nothing.
        if getattr(sys, name) is None:
            stream = open(descriptor, _MODES[descriptor], encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        escape_what_cannot_be_shown(stream)


def escape_what_cannot_be_shown(stream: TextIO) -> None:
    """Let a stream write \\uac00 for a character that its encoding lacks, instead of raising."""
    # Not of a stream that a test or an embedding program put in its place.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
