"""All trials of a search, in memory and in their records."""

from maskcls.commands.tuning.record import SearchRecord
from maskcls.core.errors import UserError
from maskcls.core.progress import Progress
from maskcls.core.trouble import may_pass
from maskcls.search.trials import Trial, folder_of, read_trials, write_trial
from maskcls.store.paths import Folder


class TrialTable:
    """The trials by number, as the records tell, and as they are changed.

    lost_before: trials of which another start of the command lost something.
    """

    def __init__(self, root: Folder, record: SearchRecord, progress: Progress) -> None:
        self.root = root
        self.trials = {trial.number: trial for trial in read_trials(root)}
        self.lost_before = {trial.number for trial in self.trials.values() if trial.is_lost}
        self._record, self._progress = record, progress
        self._unwritten: set[int] = set()

    def folder_of(self, trial: Trial) -> Folder:
        """The trial's own run."""
        return folder_of(self.root, trial.number)

    def open_ones(self) -> list[Trial]:
        """Those whose fold 0 goes on with the next start."""
        return [trial for trial in self.trials.values() if trial.is_open]

    def finalists_left(self, most: int) -> list[Trial]:
        """Those among the best so many of fold 0 that are not yet trained on all folds."""
        finished = [t for t in self.trials.values() if t.state == "finished" and not t.is_lost]
        by_fold = sorted(finished, key=lambda t: (-(t.best or 0.0), t.number))
        return [t for t in by_fold[:most] if t.out_of_fold is None]

    def forget_losses(self) -> None:
        """Finished trials of which another start lost other folds are finalists again, if good."""
        for trial in self.trials.values():
            if trial.state == "finished" and trial.is_lost:
                trial.error = None
                write_trial(self.root, trial)

    def write(self, trial: Trial) -> None:
        """Write a trial's record, and those that could not be written before.

        Storage that is away for a moment must not end the search. What is known is in memory and
        written with the next record; at the end it must be.
        """
        self._unwritten.add(trial.number)
        try:
            self.write_rest()
            self._record.write()
        except (OSError, UserError) as e:
            if not may_pass(e):
                raise
            self._progress.warn(f"trial {trial.number}: its record cannot be written now: {e}")

    def write_rest(self) -> None:
        """Write the records that could not be written before; raises OSError or UserError."""
        for number in sorted(self._unwritten):
            write_trial(self.root, self.trials[number])
            self._unwritten.discard(number)

    def is_written(self, trial: Trial) -> bool:
        """What is known of it is in its record."""
        return trial.number not in self._unwritten
