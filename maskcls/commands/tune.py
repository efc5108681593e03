"""`maskcls tune`: search settings; weak trials end early, the best are trained on all folds.

RUN/search.json       the space, the data, the settings that trials change; and the time spent
RUN/folds.parquet     the folds, the same for all trials
RUN/trials/NNN.json   a trial's record; RUN/trials/NNN/ is its run, like one of maskcls train
RUN/trials.json       the table, best first
RUN/best.toml         all settings of the best trial, for --config
RUN/search.html       the report
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maskcls.config.layers import Value
from maskcls.config.resolve import from_flat
from maskcls.config.schema import Config
from maskcls.core.errors import Exit, UserError
from maskcls.core.names import some, without_credentials
from maskcls.core.progress import Progress
from maskcls.runs import identity
from maskcls.runs.prepare import Prepared, prepare
from maskcls.runs.settings import flat_settings_for, read_toml
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.tuning.backoff import TrialLosses
from maskcls.tuning.finalists import train_finalists
from maskcls.tuning.first_fold import FirstFold
from maskcls.tuning.search_record import SEARCH_JSON, SearchRecord, is_search
from maskcls.tuning.space import Space, read_space
from maskcls.tuning.trial_runs import TrialRuns
from maskcls.tuning.trial_table import TrialTable, write_results
from maskcls.tuning.trials import Trial


@dataclass(frozen=True)
class Tuned:
    """Exit code, the trials, best first, and the search's folder."""

    exit_code: Exit
    trials: list[Trial]
    run: Folder


def tune(
    data: str, run: str, space_file: str, progress: Progress, preset: str | None = None,
    file: str | None = None, sets: Iterable[str] = (), command: Sequence[str] = (),
    task: str | None = None,
) -> Tuned:  # fmt: skip
    """Start or resume a search.

    data, run, space_file, file: local paths or object-store URIs. space_file: see tuning/space.py.
    preset, file, sets: the settings that the trials change. task: see prepare.
    Exit.DEGRADED: images could not be decoded, or an infrastructure failure ended a trial, which the
    same command retries. Raises UserError for bad input or another search in the folder, RunFailed when
    no trial was trained on all folds.
    """
    # On a cluster only: for a local Ray, Tune's records are in a temporary folder.
    if os.environ.get("RAY_ADDRESS") and without_credentials(run) != run:
        raise UserError(
            "--run: Ray Tune would keep the credentials of this URI in its records; give them by"
            " environment or role instead."
        )
    # Before the data is read: errors in settings and space are found within a second.
    text = read_toml(space_file)
    base = flat_settings_for(data, task, preset, file, sets)
    config = _checked(from_flat(base))
    space = read_space(text, base)
    prepared = prepare(data, run, config, progress, task, marker=SEARCH_JSON)
    with Lease(prepared.run.folder, "tune", progress.say) as lease:
        if is_search(prepared.run.folder):
            # Trials that have not started would otherwise begin with other weights.
            identity.refuse_other_weights(prepared.run.folder, prepared.network)
        return _Tuning(prepared, base, space, progress, lease, command).run()


def _checked(config: Config) -> Config:
    if config.cluster.workers_per_fold > 1:
        raise UserError(
            "cluster.workers_per_fold: a trial of a search has one worker; set it to 1."
        )
    if config.folds.scheme == "all":
        raise UserError(
            "folds.scheme=all: it has no validation set, so trials have no score to compare."
        )
    return config


class _Tuning:
    """One command's work on a search."""

    def __init__(
        self, prepared: Prepared, base: Mapping[str, Value], space: Space, progress: Progress,
        lease: Lease, command: Sequence[str],
    ) -> None:  # fmt: skip
        self.prepared, self.space, self.progress, self.lease = prepared, space, progress, lease
        self.runs = TrialRuns(prepared, base, progress, lease)
        self.record = SearchRecord(prepared, space, command)
        self.table = TrialTable(prepared.run.folder, self.record, progress)

    def run(self) -> Tuned:
        # After the lease is lost, the record belongs to another command and is not written.
        with self.record.ending(lambda: not self.lease.lost) as end:
            # Before the budget is looked at: a search that is complete otherwise still retries these.
            self.table.forget_losses()
            if self._is_left():
                self._train()
            # Also without any training: a kill may have come between the last trial and the report.
            trials = write_results(self.table, self.space, self.record.content)
            degraded = any(t.out_of_fold and t.out_of_fold.faults for t in trials)
            if lost := [
                str(t.number) for t in self.table.trials.values() if t.is_lost or t.is_open
            ]:
                self.progress.warn(
                    f"infrastructure failure: trial {some(lost)}; the same command tries it again"
                )
            end.exit_code = Exit.DEGRADED if degraded or lost else Exit.GOOD
        return Tuned(end.exit_code, trials, self.prepared.run.folder)

    def _is_left(self) -> bool:
        table = self.table
        begins = self.record.may_begin(len(table.trials)) or bool(table.open_ones())
        return begins or bool(table.finalists_left(self.space.search.finalists))

    def _train(self) -> None:
        from maskcls.cluster.session import ray_session

        dashboard, losses = self.prepared.config.cluster.dashboard, TrialLosses(self.progress)
        # One session for both parts: starting Ray takes seconds.
        with ray_session(self.prepared.cache, dashboard, self.progress) as session:
            FirstFold(
                self.prepared, self.space, self.runs, self.table, self.record, losses, self.progress,
                self.lease,
            ).run(session)  # fmt: skip
            train_finalists(
                self.table, self.space.search.finalists, self.runs, losses, self.progress, self.lease,
                session,
            )  # fmt: skip
