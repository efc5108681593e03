"""Which attempt at a fold may write into its folder: fold-K/attempt.json, a fence against stale workers.

A worker that was replaced (after a network partition, on a paused VM or a hung node) may still run.
The driver writes a new token before it starts an attempt; a worker compares it with its own before
everything that it publishes or deletes, and ends when they differ.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from maskcls.core.errors import Superseded


@dataclass(frozen=True)
class Attempt:
    """number: from 1, for people. token: unique. stop: the worker should save a checkpoint and end."""

    number: int
    token: str
    stop: bool = False

    @classmethod
    def new(cls, number: int) -> "Attempt":
        """An attempt with a new token."""
        return cls(number, secrets.token_hex(8))


class Fence:
    """A worker's check before each change to its fold's folder."""

    def __init__(self, read: Callable[[], Attempt | None], own: Attempt | None) -> None:
        """read: the fold's attempt.json as it is now. own: this worker's; None is never refused."""
        self._read, self._own = read, own

    def check(self) -> None:
        """Raise Superseded when another attempt now owns the fold."""
        self._checked(self._now())

    def _checked(self, now: Attempt | None) -> bool:
        if now is not None and self._own is not None and now.token != self._own.token:
            raise Superseded(
                f"attempt {self._own.number} was replaced by attempt {now.number}, and writes nothing"
                " more"
            )
        return now is not None and now.stop

    def stop_requested(self) -> bool:
        """Whether the driver asks for a checkpoint and an end. Raises Superseded as check does."""
        return self._checked(self._now())

    def _now(self) -> Attempt | None:
        return None if self._own is None else self._read()
