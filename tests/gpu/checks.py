"""Runs checks one after another, each in a process of its own, within a time that was given."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tests.gpu.cases import Case
from tests.gpu.record import Record

ROOT = Path(__file__).parents[2]
MARK = "@figure "
"""Begins a line of a child's output that is for us."""
CHILD = ("-X", "faulthandler", "-m", "tests.gpu.child")
_LEAST_S = 15.0
"""With less time left, nothing is started: torch and CUDA take about half of it."""
_LIMIT_S = {
    "agree": 90, "resume": 150, "speed": 90, "start": 90, "two": 90, "copies": 45, "graphs": 60,
    "compile": 150,
}  # fmt: skip
_NEEDS_GPU = ("copies", "graphs")


@dataclass(frozen=True)
class Ask:
    """What a child is asked for; work: folder for what is made. seconds: of each speed."""

    device: str
    tiny: bool
    work: str
    seconds: float


def names_of(cases: Sequence[Case]) -> list[str]:
    """All checks, the most valuable first."""
    return [
        "agree",
        "resume",
        *(f"speed-{case.name}" for case in cases),
        "start",
        "two",
        "copies",
        *(f"graphs-{case.name}" for case in cases),
        *(f"compile-{case.name}" for case in cases),
    ]


def run_all(names: Sequence[str], ask: Ask, record: Record, seconds: float) -> None:
    """Run checks in their order; none goes on after so many seconds, all together."""
    deadline = time.monotonic() + seconds
    run_one("facts", ask, record, min(60.0, seconds))
    for name in names:
        kind, left = name.partition("-")[0], deadline - time.monotonic()
        if kind in _NEEDS_GPU and ask.device != "cuda":
            record.leave_out(name, "needs a GPU")
        elif left < _LEAST_S:
            record.leave_out(name, "no time was left")
        else:
            run_one(name, ask, record, min(float(_LIMIT_S[kind]), left))


def run_one(
    name: str, ask: Ask, record: Record, limit_s: float, command: Sequence[str] | None = None
) -> None:
    """One check: its figures as they come, and why it ended early if it did."""
    started = time.monotonic()
    words = [sys.executable, *(command or CHILD), name, json.dumps(asdict(ask))]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment(),
            start_new_session=True,
        ) as child,
    ):  # fmt: skip
        assert child.stdout is not None
        lines = _Lines(child.stdout)
        in_time = False
        try:
            in_time = _listen(name, lines, record, started + limit_s)
            if in_time:  # it has closed its output, and may still have to leave the GPU
                child.wait(timeout=max(10.0, started + limit_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            _end(child)
            lines.thread.join()
        if not in_time:
            record.fault(name, f"ended after its {limit_s:.0f} s")
        elif child.returncode != 0:
            record.fault(name, reason(_text(errors)) or f"ended with {child.returncode}")
    record.took(name, time.monotonic() - started)


def environment() -> dict[str, str]:
    """Of children: this checkout's source, no hub, output line by line."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


class _Lines:
    """A child's output, read by a thread of its own, so that waiting for a line can end."""

    def __init__(self, stream: IO[str]) -> None:
        self.queue: queue.Queue[str | None] = queue.Queue()
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.queue.put(line)
        self.queue.put(None)


def _listen(name: str, lines: _Lines, record: Record, until: float) -> bool:
    """Record what a child reports; False when it has not finished by then."""
    while True:
        try:
            line = lines.queue.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return False
        if line is None:
            return True
        if line.startswith(MARK):
            _record(name, json.loads(line.removeprefix(MARK)), record)


def _record(name: str, said: dict[str, Any], record: Record) -> None:
    if name == "facts":
        record.know(said)
    elif "left_out" in said:
        record.leave_out(f"{name}: {said['left_out']}", said["reason"])
    elif "fault" in said:
        record.fault(f"{name}: {said['what']}", said["fault"])
    else:
        record.add(name, said)


def _end(child: subprocess.Popen[str]) -> None:
    """End a child that still runs, and what it started: they are a process group of their own."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def reason(errors: str) -> str:
    """Why a process ended: the last line that says something, shortened."""
    said = [line.strip() for line in errors.splitlines()]
    said = [line for line in said if line and not line.startswith("Extension modules:")]
    return said[-1][:300] if said else ""
