"""Infrastructure failures of trials: a pause after each, no more trials after too many in a row.

A failure that hits one trial after another is not caused by their settings, and would use up the whole
budget within minutes. The pause lets a search survive storage that is unavailable for a moment.
"""

import time

from maskcls.core.progress import Progress

_IN_A_ROW = 3
"""Or as many as run at a time, if that is more: one failure of a node hits all of them together."""
PAUSE_S = 10.0


class TrialLosses:
    """Counts infrastructure failures without a success in between, and reports too many."""

    def __init__(self, progress: Progress, what: str = "trials") -> None:
        """what: is lost, in words."""
        self._progress, self._what = progress, what
        self._in_a_row, self._limit, self._pause_ends = 0, _IN_A_ROW, 0.0
        self.too_many = False
        """This start of the command should begin no more trials."""

    def begin(self, at_once: int = 1) -> None:
        """Start counting from 0. at_once: number of trials that run at a time."""
        self._in_a_row, self._limit, self.too_many = 0, max(_IN_A_ROW, at_once), False

    def reset(self) -> None:
        """An epoch or a whole trial succeeded."""
        self._in_a_row = 0

    def add(self, why: str | None, *, counts: bool = True) -> None:
        """A trial was lost. counts: False for one that an earlier start has lost already."""
        self._pause_ends = time.monotonic() + PAUSE_S
        self._in_a_row += counts
        if self._in_a_row >= self._limit and not self.too_many:
            self.too_many = True
            self._progress.warn(
                f"{self._in_a_row} {self._what} in a row ended by an infrastructure failure, the last"
                f" one: {why}; no more {self._what} are started. Once that is solved, the same command"
                " resumes."
            )

    @property
    def pause_s(self) -> float:
        """Time until the next trial should start, when the cause may be over [s]."""
        return max(0.0, self._pause_ends - time.monotonic())
