"""What commands report while they work; terminal, log and tests each implement Progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from maskcls.core.history import EpochEntry, Keep
from maskcls.core.task import MetricName

Report = Callable[[str], None]
"""Called with a sentence without its full stop, such as a name that was not taken as written."""

Phase = Literal["waiting", "starting", "training", "predicting", "done", "failed", "stopped"]


@dataclass
class FoldState:
    """How far a fold is, by the files in its folder.

    epoch: the one being trained, from 1; step of steps within it; left_s: estimated time left [s].
    history: the finished epochs' lines of history.jsonl. note: why it waits or failed. metric: the one
    that ranks the epochs. keep: which of them is kept, see config.schema.Train.
    """

    fold: int
    epochs: int
    phase: Phase = "waiting"
    epoch: int = 0
    step: int = 0
    steps: int = 0
    images_per_s: float | None = None
    left_s: float | None = None
    attempt: int = 1
    note: str = ""
    history: list[EpochEntry] = field(default_factory=list)
    metric: MetricName = "macro_f1"
    keep: Keep = "best"


def ignore(sentence: str) -> None:
    """A Report for where it has been reported already, as in a fold's worker."""


class Progress(Protocol):
    """Receives a command's reports; every method may be called from the main thread only."""

    def say(self, text: str) -> None:
        """A line worth reading beside the result."""

    def warn(self, text: str) -> None:
        """A line that may call for action."""

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of work that is counted, such as decoded images."""

    def folds(self, states: Sequence[FoldState]) -> None:
        """State of all folds; called about once a second, and once at the end."""
