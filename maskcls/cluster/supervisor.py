"""Watches the trials of a search while they run: which of them wait, and which hang.

Ray Tune would wait for ever, and without a word, for a trial that finds no resources or that hangs. Its
loop turns several times a second and is the place from which all trials are looked at.

    begin -> waits -> tells -> tells ... -> end
      ^_________________|  nothing for stall_s: killed; Tune sees it die and tries it again
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maskcls.core.progress import Progress
from maskcls.store.fold_states import read_progress
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob

LOOK_EVERY_S = 2.0
LOOK_EVERY_S_REMOTE = 15.0  # a request for each trial, while Tune's loop waits
_PATIENCE_S = 20.0  # a trial normally tells "starting" within this time


def kill_worker(told: Mapping[str, Any]) -> None:
    """Kill the process that told this; Ray then sees it die.

    told: a fold's progress.json, of which node (Ray's name of the machine) and pid count.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(told["node"], soft=False)

    def kill(pid: int) -> None:  # os.kill itself is no function that Ray can send
        os.kill(pid, signal.SIGKILL)

    ray.remote(num_cpus=0, scheduling_strategy=strategy)(kill).remote(told["pid"])


@dataclass
class _Seen:
    """A trial: where it tells, what it told, and when, by the watch's own time [s].

    before: what an earlier attempt told last, which says nothing of this one.
    """

    run: Folder
    fold: int
    before: dict[str, Any]
    heard: float
    told: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    notes_said: int = 0


class TrialWatch:
    """Looks at the progress.json of each trial that was begun and has not ended."""

    def __init__(
        self,
        stall_s: float,
        waits_for: str,
        progress: Progress,
        kill: Callable[[Mapping[str, Any]], None] = kill_worker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """stall_s: after so long without news a trial is killed [s]. waits_for: what, in words."""
        self._stall_s, self._waits_for, self._progress = stall_s, waits_for, progress
        self._kill, self._clock = kill, clock
        self._seen: dict[int, _Seen] = {}
        self._pause, self._looked, self._time = LOOK_EVERY_S, clock(), 0.0

    def begin(self, number: int, job: FoldJob) -> None:
        """A trial is given to Tune."""
        run = Folder.at(job.run)
        self._pause = LOOK_EVERY_S if run.is_local else LOOK_EVERY_S_REMOTE
        self._seen[number] = _Seen(run, job.fold, read_progress(run, job.fold), self._time)

    def again(self, number: int) -> None:
        """A trial was lost, and Tune tries it again."""
        old = self._seen[number]
        self._seen[number] = _Seen(old.run, old.fold, old.told or old.before, self._time)

    def end(self, number: int) -> None:
        """A trial has ended, however."""
        self._seen.pop(number, None)

    def look(self) -> None:
        """Say which trials wait, kill those that hang; does nothing if it has just been done."""
        passed = self._clock() - self._looked
        if passed < self._pause:
            return
        self._looked += passed
        # While Tune's loop stands still, for the pixels of another size say, trials wait for it to
        # take their reports: that they told nothing meanwhile means nothing.
        self._time += min(passed, 2 * self._pause)
        for number, seen in self._seen.items():
            self._look_at(number, seen)

    def _look_at(self, number: int, seen: _Seen) -> None:
        told = read_progress(seen.run, seen.fold)
        if told and told not in (seen.before, seen.told):
            seen.told, seen.heard = told, self._time
            for note in told.get("notes", ())[seen.notes_said :]:
                self._progress.say(f"trial {number}: {note}")
            seen.notes_said = len(told.get("notes", ()))
            return
        quiet = self._time - seen.heard
        if not seen.told:
            if quiet > _PATIENCE_S and not seen.waits:
                seen.waits = True
                self._progress.say(f"trial {number} waits for {self._waits_for}")
        elif quiet > self._stall_s:
            self._progress.warn(f"trial {number} has told nothing for {quiet:.0f} s and is ended")
            seen.heard = self._time
            self._kill(seen.told)
