"""Losses of trials to the system: after each a pause, after too many in a row no more trials.

What befalls one trial after the other is no trial's fault, and would use up the whole budget within
minutes; and storage that is away for a moment should find the search still there.
"""

import time

from maskcls.core.progress import Progress

_IN_A_ROW = 3
"""Or as many as run at a time, if those are more."""
PAUSE_S = 10.0


class TrialLosses:
    """Counts the losses with nothing well between them, and says when they are too many."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._in_a_row, self._most, self._pause_ends = 0, _IN_A_ROW, 0.0
        self.too_many = False
        """No trial should be begun any more by this start of the command."""

    def begin(self, at_once: int = 1) -> None:
        """Count from none, for trials of which so many run at a time."""
        self._in_a_row, self._most, self.too_many = 0, max(_IN_A_ROW, at_once), False

    def none(self) -> None:
        """An epoch or a whole trial went well."""
        self._in_a_row = 0

    def add(self, why: str | None, *, counts: bool = True) -> None:
        """A trial was lost. counts: not so for one that is known to be lost again and again."""
        self._pause_ends = time.monotonic() + PAUSE_S
        self._in_a_row += counts
        if self._in_a_row >= self._most and not self.too_many:
            self.too_many = True
            self._progress.warn(
                f"{self._in_a_row} trials in a row were lost to the system, the last one: {why}; no"
                " other is begun now. See to that, and the same command goes on."
            )

    @property
    def pause_s(self) -> float:
        """Seconds until another trial should be begun; what made one impossible may have passed."""
        return max(0.0, self._pause_ends - time.monotonic())
