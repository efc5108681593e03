"""The result of one check of doctor, and the processes in which programs are tried."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Literal, Self

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One line of doctor: a note is information, a problem would make a run fail."""

    name: str
    level: Level
    text: str


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """The check, or a problem under its name: one failing check must not hide the other lines."""
    try:
        return look()
    except Exception as e:
        return Check(name, "problem", f"cannot be checked: {type(e).__name__}: {e}")


@dataclass(frozen=True)
class ProbeResult:
    """How a program ended; code is None after a timeout."""

    code: int | None
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """Last line of its stderr, which for Python is the error itself."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else f"it ended with {self.code} and no message"


class Probe:
    """A program that runs in parallel. It and all its children have ended when the block is left."""

    def __init__(
        self, command: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None
    ) -> None:
        self._ends_at = time.monotonic() + timeout_s
        # Files, not pipes: a pipe stays open as long as any grandchild holds it.
        self._out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._err: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._failed_start = ""
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own programs and nvidia-smi
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                env=env,
                start_new_session=True,  # a process group of its own, to be killed as a whole
            )
        except OSError as e:  # kept for result(), so that all probes are used in the same way
            self._failed_start = str(e)

    def result(self) -> ProbeResult:
        """Wait for the end, at most until the timeout, after which it is killed."""
        if self._process is None:
            return ProbeResult(127, "", self._failed_start)
        try:
            code: int | None = self._process.wait(max(0.0, self._ends_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
            self.kill()
        return ProbeResult(code, _text(self._out), _text(self._err))

    def kill(self) -> None:
        """Kill the program, its group, and children that have left the group, as those of Ray do."""
        if self._process is None or self._process.poll() is not None:
            return
        import psutil

        # Listed before the kill: afterwards they are children of another process.
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.Error:
            children = []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(psutil.Error):  # has ended already
                child.kill()
        self._process.wait()
        psutil.wait_procs(children, timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._out.close()
        self._err.close()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
