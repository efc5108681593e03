"""A trial's record: RUN/trials/NNN.json, next to the trial's own run RUN/trials/NNN/.

    running -> finished   all epochs of fold 0
            -> stopped    by ASHA, after some
            -> failed     by its settings or its training: it would recur
            -> lost       after too many infrastructure failures; resumed by the next start
            -> refused    settings that contradict one another; never trained

Written only by the command, after each epoch. A search resumes after a kill from these records alone.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from maskcls.core.history import Keep
from maskcls.core.interval import Interval
from maskcls.core.plain import from_plain
from maskcls.core.task import MetricName
from maskcls.store.folder import Folder

State = Literal["running", "finished", "stopped", "failed", "lost", "refused"]


@dataclass(frozen=True)
class FinalScore:
    """Score of a finalist, trained on all folds.

    score: over all validation folds together, None where the metric is not defined there. folds: of
    each, None without one. deviation: their sample standard deviation. faults: images that could not be
    decoded. interval: of the metric's value, 95 %; None where it is not known, as in older searches.
    """

    score: float | None
    folds: list[float | None]
    deviation: float | None
    faults: int
    interval: Interval | None = None


@dataclass
class Trial:
    """settings: what the trial changes. scores: held-out score of fold 0 after each epoch.

    error: why it failed, was lost or refused; of one that is finished, why other folds were lost.
    out_of_fold: of a finalist that was trained on all folds. metric: of what the scores are. keep: which
    epoch counts, see config.schema.Train.
    """

    number: int
    settings: dict[str, Any]
    state: State = "running"
    scores: list[float] = field(default_factory=list)
    error: str | None = None
    out_of_fold: FinalScore | None = None
    metric: MetricName = "macro_f1"
    keep: Keep = "best"

    @property
    def best(self) -> float | None:
        """Score of the epoch of fold 0 that is kept so far; None before the first epoch."""
        if self.keep == "last":
            return self.scores[-1] if self.scores else None
        return max(self.scores, default=None)

    @property
    def is_open(self) -> bool:
        """Whether the next start of the command resumes its fold 0."""
        return self.state in ("running", "lost")

    @property
    def is_lost(self) -> bool:
        """Whether an infrastructure failure ended it or its other folds; the next start retries it."""
        return self.state == "lost" or (self.state == "finished" and self.error is not None)

    @property
    def note(self) -> str:
        """Its error as a message; "" if it has none."""
        if self.error is None or not self.is_lost:
            return self.error or ""
        where = "lost" if self.state == "lost" else "lost on other folds"
        return f"{where}: {self.error.rstrip('.')}; the same command tries it again"

    @property
    def words(self) -> str:
        """The settings that it changes, as displayed: optim.lr=0.001  loss.name=focal."""
        return "  ".join(f"{name}={shown(value)}" for name, value in self.settings.items())


def shown(value: Any) -> str:
    """A setting's value as displayed: floats with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def folder_of(root: Folder, number: int) -> Folder:
    """The trial's own run."""
    return root.child("trials", f"{number:03}")


def write_trial(root: Folder, trial: Trial) -> None:
    """Write a trial's record."""
    root.child("trials").write_json(f"{trial.number:03}.json", asdict(trial))


def read_trials(root: Folder) -> list[Trial]:
    """All trials that were started, by number."""
    folder = root.child("trials")
    if not folder.exists():
        return []
    names = [e.name for e in folder.list() if e.is_file and e.name.endswith(".json")]
    return sorted(
        (from_plain(Trial, folder.read_json(name)) for name in names), key=lambda t: t.number
    )


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Best first: by out-of-fold score; the others by whether fold 0 is finished, and its score."""

    # Numbers last, so that the order of equal trials does not depend on the order of reading.
    def rank(trial: Trial) -> tuple[float, bool, float, int]:
        whole = trial.out_of_fold.score if trial.out_of_fold else None
        finished = trial.state == "finished"
        return (_last(whole), not finished, _last(trial.best), trial.number)

    return sorted(trials, key=rank)


def by_fold_0(trials: Iterable[Trial]) -> list[Trial]:
    """Those with the best score of fold 0 first; of equals, the one with the lower number."""
    return sorted(trials, key=lambda trial: (_last(trial.best), trial.number))


def _last(score: float | None) -> float:
    """A key by which the highest score is first, and none at all is after any, however low."""
    return math.inf if score is None else -score
