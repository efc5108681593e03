"""Errors that need not come again: of the machine or the storage, not of what was asked for."""

import builtins
from subprocess import TimeoutExpired

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
