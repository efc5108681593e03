"""All trials of a search, in memory and in their records."""

from dataclasses import asdict

from maskcls.config.as_file import as_file
from maskcls.core.errors import RunFailed, UserError, is_transient
from maskcls.core.progress import Progress
from maskcls.store.paths import Folder
from maskcls.store.run import Run
from maskcls.tuning.report import page
from maskcls.tuning.search_record import SearchContent, SearchRecord
from maskcls.tuning.space import Space
from maskcls.tuning.trials import Trial, folder_of, ranked, read_trials, write_trial


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
            if not is_transient(e):
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


def write_results(table: TrialTable, space: Space, content: SearchContent) -> list[Trial]:
    """Write trials.json, best.toml and search.html; the trials, best first.

    content: of search.json. Raises RunFailed when no trial was trained on all folds.
    """
    table.write_rest()
    trials = ranked(table.trials.values())
    if not trials or trials[0].out_of_fold is None:
        lost = next((f"trial {t.number} was {t.note}" for t in trials if t.is_lost), None)
        failed = next((t.error for t in trials if t.error), "none reached its last epoch")
        raise RunFailed(f"{table.root}: no trial was trained to its end: {lost or failed}")
    table.root.write_json("trials.json", [asdict(trial) for trial in trials])
    head = (
        f"The best of {len(trials)} trials, trial {trials[0].number}: out-of-fold macro F1"
        f" {trials[0].out_of_fold.macro_f1:.4f}"
    )
    best = Run(table.folder_of(trials[0])).config
    table.root.write_bytes("best.toml", as_file(best, head).encode())
    table.root.write_bytes("search.html", page(space, trials, content).encode())
    return trials
