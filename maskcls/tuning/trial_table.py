"""All trials of a search, in memory and in their records."""

from dataclasses import asdict

from maskcls.config.as_file import as_file
from maskcls.core.errors import RunFailed, UserError, is_transient
from maskcls.core.metrics import TITLES, shown_score
from maskcls.core.progress import Progress
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.tuning.report import page
from maskcls.tuning.search_record import SearchContent, SearchRecord
from maskcls.tuning.space import Space
from maskcls.tuning.trials import Trial, by_fold_0, folder_of, ranked, read_trials, write_trial


class TrialTable:
    """The trials by number, read from their records and written to them.

    lost_before: trials that an earlier start of the command lost, or lost on other folds.
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
        """Trials whose fold 0 the next start resumes."""
        return [trial for trial in self.trials.values() if trial.is_open]

    def finalists_left(self, count: int) -> list[Trial]:
        """Those of the best `count` trials of fold 0 that are not yet trained on all folds."""
        finished = [t for t in self.trials.values() if t.state == "finished" and not t.is_lost]
        # By number among equals, so that a resumed search chooses the same finalists.
        return [t for t in by_fold_0(finished)[:count] if t.out_of_fold is None]

    def forget_losses(self) -> None:
        """Finished trials whose other folds an earlier start lost may be finalists again."""
        for trial in self.trials.values():
            if trial.state == "finished" and trial.is_lost:
                trial.error = None
                write_trial(self.root, trial)

    def write(self, trial: Trial) -> None:
        """Write a trial's record, and those that could not be written before.

        Storage that is unavailable for a moment must not end the search. The values stay in memory and
        are written with the next record; at the end of the command they must be.
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
            self._unwritten.discard(number)  # one by one: those before an error are written

    def is_written(self, trial: Trial) -> bool:
        """Whether its record is up to date."""
        return trial.number not in self._unwritten


def write_results(table: TrialTable, space: Space, content: SearchContent) -> list[Trial]:
    """Write trials.json, best.toml and search.html; returns the trials, best first.

    content: of search.json. Raises RunFailed when no trial was trained on all folds.
    """
    table.write_rest()
    trials = ranked(table.trials.values())
    if not trials or trials[0].out_of_fold is None:
        # A loss is named before a failure: after it, the same command may succeed.
        lost = next((f"trial {t.number} was {t.note}" for t in trials if t.is_lost), None)
        failed = next((t.error for t in trials if t.error), "none reached its last epoch")
        raise RunFailed(f"{table.root}: no trial was trained on all folds: {lost or failed}")
    table.root.write_json("trials.json", [asdict(trial) for trial in trials])
    metric = trials[0].metric
    head = (
        f"The best of {len(trials)} trials, trial {trials[0].number}: out-of-fold {TITLES[metric]}"
        f" {shown_score(metric, trials[0].out_of_fold.score)}"
    )
    # From the run, not from space and base: it holds every setting, as it was trained.
    best = Run(table.folder_of(trials[0])).config
    table.root.write_bytes("best.toml", as_file(best, head).encode())
    table.root.write_bytes("search.html", page(space, trials, content).encode())
    return trials
