"""The failure policy for everything that trains on Ray: folds of a run and trials of a search.

    begin -> waiting -> reporting -> reporting ... -> end
               ^            |  no heartbeat for stall_s: killed
               |            v
               +-- pause <- lost   a transient failure; `retries` times without an epoch between

Ray waits without limit and without a message for work that finds no resources or that hangs. The
supervisor reads the heartbeat of each attempt, reports which attempts wait, kills those that are silent,
and decides after each loss whether and when the next attempt starts. Writes of an attempt are fenced
(store/attempt.py): the heartbeat of another attempt is ignored.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from maskcls.core.errors import UserError
from maskcls.core.outcome import Outcome
from maskcls.core.progress import Progress
from maskcls.store.attempt import Attempt
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Fold

_WAITS_AFTER_S = (
    20.0  # a worker that has its resources normally reports "starting" within this time
)
BACKOFF_S = 5.0
"""Pause before the first retry [s]; each further one is four times as long, so that three retries
outlast an outage of a minute and a half."""
_BACKOFF_MAX_S = 300.0  # with more retries, a run must notice within minutes that storage is back


@dataclass
class _Watched:
    """A fold or trial under supervision; times by the supervisor's own clock [s]. reported_at: when its
    last new heartbeat was read."""

    fold: Fold
    attempt: Attempt
    reported_at: float
    heartbeat: Heartbeat | None = None
    notes_said: dict[int, int] = field(default_factory=dict)
    is_waiting: bool = False


@dataclass
class _Losses:
    """Transient failures since the last finished epoch; while it progresses, retries are unlimited."""

    count: int = 0
    epochs: int = 0
    bad_node: str | None = None


class Supervisor:
    """Watches attempts, each under the number of its fold or trial."""

    def __init__(
        self,
        retries: int,
        stall_s: float,
        name: Callable[[int], str],
        waits_for: str,
        progress: Progress,
        kill: "Callable[[Heartbeat], None] | None" = None,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = 0.5,
        says_waiting: bool = True,
    ) -> None:
        """retries: without an epoch between. stall_s: silence after which an attempt is killed [s].

        name: of a number, for messages ("fold 3"). waits_for: the scarce resource, in words.
        look_every_s: minimum time between two looks [s]. says_waiting: False where the caller shows it.
        """
        self._retries, self._stall_s, self._waits_for = retries, stall_s, waits_for
        self._name, self._progress, self._clock = name, progress, clock
        self._kill = kill or kill_worker
        self._says_waiting = says_waiting
        self._watched: dict[int, _Watched] = {}
        self._losses: dict[int, _Losses] = {}
        self._every_s, self._looked, self._time = look_every_s, clock(), 0.0

    def begin(self, number: int, fold: Fold, attempt_number: int = 1) -> Attempt:
        """Give the fold's folder to a new attempt, and watch it. Raises OSError, StorageError."""
        # Written before the worker starts: from then on a stale worker of the last attempt, which may
        # only have been unreachable, is fenced off.
        attempt = Attempt.new(attempt_number)
        fold.write_attempt(attempt)
        self._watched[number] = _Watched(fold, attempt, self._time)
        return attempt

    def end(self, number: int) -> None:
        """The attempt has ended, for any reason."""
        self._watched.pop(number, None)

    def heartbeat(self, number: int) -> Heartbeat | None:
        """The last report of the current attempt."""
        watched = self._watched.get(number)
        return watched.heartbeat if watched else None

    def is_waiting(self, number: int) -> bool:
        """Whether the attempt has reported nothing for so long that it must lack resources."""
        watched = self._watched.get(number)
        return watched is not None and watched.is_waiting

    def look(self) -> None:
        """Read all heartbeats; does nothing within look_every_s of the last time."""
        passed = self._clock() - self._looked
        if passed < self._every_s:
            return
        self._looked += passed
        # The clock hardly advances while the caller is blocked, as when it decodes images at another
        # size: workers may wait for it, and their silence then is no sign of a hang.
        self._time += min(passed, max(2 * self._every_s, 1.0))
        for number, watched in self._watched.items():
            self._look_at(number, watched)

    def _look_at(self, number: int, watched: _Watched) -> None:
        new = watched.fold.heartbeat()
        if new is not None and new.token == watched.attempt.token and new != watched.heartbeat:
            watched.heartbeat, watched.reported_at, watched.is_waiting = new, self._time, False
            # Each heartbeat repeats all notes of its worker: one that is overwritten is not read. The
            # workers of other ranks report while they decode, with notes of their own.
            for note in new.notes[watched.notes_said.get(new.pid, 0) :]:
                self._progress.say(f"{self._name(number)}: {note}")
            watched.notes_said[new.pid] = len(new.notes)
            return
        # Compared by content and timed by our own clock: the clocks of other nodes may be wrong.
        silent_s = self._time - watched.reported_at
        # An attempt that has never reported waits for resources, and is never killed: a cluster may need
        # many minutes to start a machine.
        if watched.heartbeat is None:
            if silent_s > _WAITS_AFTER_S and not watched.is_waiting:
                watched.is_waiting = True
                if self._says_waiting:
                    self._progress.say(f"{self._name(number)} waits for {self._waits_for}")
        elif silent_s > self._stall_s:
            self._progress.warn(
                f"{self._name(number)} has reported nothing for {silent_s:.0f} s and is killed"
            )
            # Restarted, so that it is killed again only if it is still there after another stall_s.
            watched.reported_at = self._time
            self._kill(watched.heartbeat)

    def lost(self, number: int, fold: Fold, outcome: Outcome) -> float | None:
        """Count a transient failure; the pause before the next attempt [s], None after too many."""
        losses = self._losses.setdefault(number, _Losses())
        # A fold on machines that are reclaimed all the time is not given up while it makes progress.
        epochs = len(fold.history())
        losses.count = 1 if epochs > losses.epochs else losses.count + 1
        losses.epochs = max(epochs, losses.epochs)
        if outcome.leave_node:
            losses.bad_node = outcome.node or None
        elif losses.count == 1:  # an epoch was finished since
            losses.bad_node = None
        # One more try tells whether somebody else had taken the GPU's memory for a while.
        retries = min(self._retries, 1) if outcome.out_of_memory else self._retries
        if losses.count > retries:
            return None
        pause = min(BACKOFF_S * 4.0 ** (losses.count - 1), _BACKOFF_MAX_S)
        self._progress.warn(
            f"{self._name(number)} met an infrastructure failure ({outcome.text}); the next attempt"
            f" resumes from its last checkpoint in {pause:.0f} s"
        )
        return pause

    def bad_node(self, number: int) -> str | None:
        """Ray's id of a node whose GPU failed; the next attempt should run on another node."""
        losses = self._losses.get(number)
        return losses.bad_node if losses else None

    def forget_bad_node(self, number: int) -> None:
        """Any node will do for the next attempt."""
        if losses := self._losses.get(number):
            losses.bad_node = None

    def request_stop(self, number: int) -> bool:
        """Ask the attempt to write a checkpoint and end; False when it does not train, or the request
        cannot be written.
        """
        watched = self._watched.get(number)
        if watched is None:
            return False
        self._look_at(number, watched)  # it may have begun to train since the last look
        if watched.heartbeat is None:
            return False
        if watched.heartbeat.phase not in ("training", "predicting"):
            return False
        # Storage that fails here costs the steps since the last checkpoint; it must not keep the command
        # from stopping.
        with suppress(OSError, UserError):
            watched.fold.write_attempt(replace(watched.attempt, stop=True))
            return True
        return False


def kill_worker(heartbeat: Heartbeat) -> None:
    """Kill the process that reported this, by a signal on its own node; Ray then sees it die."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(heartbeat.node, soft=False)

    def kill(pid: int) -> None:  # Ray cannot send a builtin such as os.kill
        os.kill(pid, signal.SIGKILL)

    # 0 CPUs, since the worker to be killed may hold the last one. SIGKILL, since a process that
    # hangs does not handle other signals. Not awaited: the node may be gone.
    ray.remote(num_cpus=0, scheduling_strategy=strategy)(kill).remote(heartbeat.pid)
