"""The ways a command can end, and the two exceptions that say so."""

import builtins
from enum import IntEnum
from subprocess import TimeoutExpired


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


class StorageError(UserError):
    """Storage could not do it now; the same may succeed when tried again."""


class RunFailed(Exception):
    """Something failed that is not the user's input; the message says what and where the log lies."""


_PASSING = (OSError, MemoryError, TimeoutExpired)


def may_pass(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, is of machine or storage.

    A full disk, storage that is away and a lack of memory may be gone when the same is tried again;
    a wrong setting, or a loss that became no number, comes again.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, _PASSING):
            return True
        seen.append(cause)
        cause = cause.__cause__
    return False


def told_may_pass(text: str) -> bool:
    """As may_pass, for an error that another process told as "NameOfItsClass: message"."""
    kind = getattr(builtins, text.partition(":")[0], None)
    return isinstance(kind, type) and issubclass(kind, _PASSING)
