"""Who holds the lease of a run, as written in it."""

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

from maskcls.store.folder import Folder, json_bytes

LEASE = ".lease"
READS = 3
READ_AGAIN_S = 0.5


@dataclass(frozen=True)
class Holder:
    """A command that holds a lease; fields that cannot be read keep their defaults."""

    purpose: str = "?"
    """The command's name."""
    host: str = "?"
    pid: int = 0
    started: str = "?"
    """UTC, ISO 8601."""
    holder: str = ""
    """Object store: a random name, another for every lease."""
    renewals: int = 0
    """Object store: how often the lease was rewritten."""

    @classmethod
    def of_this_process(cls, purpose: str, holder: str = "") -> Self:
        """This process as holder, from now on."""
        started = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return cls(purpose, socket.gethostname(), os.getpid(), started, holder)

    @classmethod
    def parse(cls, text: bytes) -> Self | None:
        """The holder named in the text; None when it names none."""
        try:
            content = json.loads(text)
        except ValueError:
            return None
        if not isinstance(content, dict) or not content:
            return None
        # Another version may have written it: a value of another type counts as unknown, since the
        # refusal must name what is known instead of failing.
        defaults = asdict(cls())
        known = {name: content.get(name, default) for name, default in defaults.items()}
        return cls(
            **{n: v if type(v) is type(defaults[n]) else defaults[n] for n, v in known.items()}
        )

    def to_bytes(self) -> bytes:
        """As JSON; a local lease leaves out the fields that only object stores need."""
        content = asdict(self)
        if not self.holder:
            del content["holder"], content["renewals"]
        return json_bytes(content)

    def __str__(self) -> str:
        since = self.started.replace("T", " ")[:16]
        return f"{self.purpose}, pid {self.pid or '?'} on host {self.host}, since {since} UTC"


def read_holder(folder: Folder) -> Holder | None:
    """The holder of a run's lease; None when it is free or the content cannot be read.

    OSError when three reads failed, half a second apart.
    """
    try:
        return Holder.parse(_read(folder))
    except FileNotFoundError:
        return None


def _read(folder: Folder) -> bytes:
    for _ in range(READS - 1):
        try:
            return folder.read_bytes(LEASE)
        except FileNotFoundError:
            raise
        except OSError:
            # The holder replaces the object every few seconds, and a store may cut a reader off
            # there; the client's own retries end where an answer begins.
            time.sleep(READ_AGAIN_S)
    return folder.read_bytes(LEASE)


def refusal(folder: Folder, other: Holder | None) -> str:
    """The message for a command that finds the run held; other: None when its name is not known."""
    return (
        f"{folder.shown}: another command ({other or Holder()}) is working on this run; wait for it or"
        " stop it."
    )
