"""Which chunks of a pixel file are due for a check: all of them once per boot, then a few in turn.

    CACHE/pixels/KEY.checked     JSON, by the machine's boot: the file's identity when it was checked
                                 (size, mtime, inode), and the chunk that is due next

A file that was valid since the machine started and was not written to can only be damaged by the
disk, which is rare; yet every fold opens it. Without a record, all of it is checked again.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from maskcls.core.system import read_text
from maskcls.store.atomic import write_file_atomically

SAMPLE = 8
"""Chunks that are checked at each opening after the whole file was."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MAX_BOOTS = 16
"""A cache on a shared disk is recorded by several machines, each by its own boot."""


class Checked:
    """What is known of a pixel file; memory: the record, a file beside it."""

    def __init__(self, memory: Path, stat: os.stat_result, num_chunks: int) -> None:
        self._memory, self._num_chunks = memory, num_chunks
        # A new id at every boot, after which pages are read from the disk again.
        self._boot = read_text(_BOOT_ID)
        self._identity = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        self._boots = _read(memory)
        # The record is a hint in a folder that others may write to, so its types are checked, too.
        known = self._boots.get(self._boot)
        is_same = isinstance(known, dict) and known.get("file") == self._identity
        next_due = known.get("next") if isinstance(known, dict) else None
        self._next = next_due if is_same and isinstance(next_due, int) else None

    def due(self) -> list[int]:
        """Numbers of the chunks to check now."""
        if self._next is None or self._num_chunks <= SAMPLE:
            return list(range(self._num_chunks))
        return [(self._next + i) % self._num_chunks for i in range(SAMPLE)]

    def were_sound(self) -> None:
        """Record that the chunks due were valid."""
        if not self._boot or not self._num_chunks:
            return
        after = 0 if self._next is None else (self._next + SAMPLE) % self._num_chunks
        # Removed and added again, so that the newest is last.
        self._boots.pop(self._boot, None)
        boots = dict(list(self._boots.items())[1 - _MAX_BOOTS :])  # the oldest goes first
        boots[self._boot] = {"file": self._identity, "next": after}
        with suppress(OSError):  # a read-only cache is checked whole each time
            write_file_atomically(self._memory, (json.dumps(boots) + "\n").encode())


def forget(memory: Path) -> None:
    """Have the whole file checked at the next opening."""
    with suppress(OSError):
        memory.unlink(missing_ok=True)


def _read(memory: Path) -> dict[str, object]:
    try:
        boots = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return boots if isinstance(boots, dict) else {}
