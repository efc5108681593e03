"""The ways a command can end, and the two exceptions that say so."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; a job's last log line repeats them, since Ray turns every failure into 1."""

    GOOD = 0
    FAILURE = 1
    """A bug, a lost machine, a fold that failed."""
    MISTAKE = 2
    """The user's input is wrong; nothing was started, nothing is lost."""
    DEGRADED = 3
    """Done, but something is missing from the result and was named."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the same command goes on where this one stopped."""


class UserError(Exception):
    """Bad input, told in one sentence: where, what, what to do. Exit code 2, no traceback."""


class RunFailed(Exception):
    """Something failed that is not the user's input; the message says what and where the log lies."""
