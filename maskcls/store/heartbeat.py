"""A fold's heartbeat: fold-K/progress.json, which its worker rewrites while it works.

It may be missing, or left by a worker that no longer exists: readers judge it by its time and by the
attempt that wrote it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from maskcls.core.progress import FoldState, Phase


@dataclass(frozen=True)
class Heartbeat:
    """How far a worker is, and where it runs.

    attempt, token: of the attempt that wrote it. node, worker: Ray's ids. epoch: the one being
    trained, from 1; step of steps within it. left_s: estimated time left [s]. gpu_idle: share of
    the samples at which the GPU was idle, 0 to 1. notes: lines for the user, all so far. time: UTC,
    ISO 8601.
    """

    phase: Phase
    attempt: int
    token: str
    pid: int
    node: str
    worker: str
    host: str
    time: str
    gpus: list[str] = field(default_factory=list)
    epoch: int = 0
    step: int = 0
    steps: int = 0
    images_per_s: float | None = None
    left_s: float | None = None
    gpu_idle: float | None = None
    notes: list[str] = field(default_factory=list)

    def age_s(self) -> float:
        """Seconds since it was written, by the clocks of both machines."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.time)).total_seconds()

    def is_before(self, started: str) -> bool:
        """Whether it was written before a command started; started: ISO 8601, as records have it."""
        return datetime.fromisoformat(self.time) < datetime.fromisoformat(started)

    def show_in(self, state: FoldState) -> None:
        """Copy it into the state of its fold, for the screen."""
        state.phase, state.note = self.phase, ""
        state.epoch, state.step, state.steps = self.epoch, self.step, self.steps
        state.images_per_s, state.left_s = self.images_per_s, self.left_s
