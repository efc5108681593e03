"""`maskcls tune`: search settings; weak ones end early, the best are trained on all folds.

RUN/search.json       what is searched, on what, from which settings; and the time spent
RUN/folds.parquet     the folds, the same for all trials
RUN/trials/NNN.json   a trial's record; RUN/trials/NNN/ is its run, as maskcls train makes it
RUN/trials.json       the table, best first
RUN/best.toml         the best settings whole, for --config
RUN/search.html       what was found, and what mattered
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from maskcls.cluster.plan import make_plan
from maskcls.commands import run_identity as identity
from maskcls.commands.run_work import FoldsFailed, Ready, RunWork, get_ready
from maskcls.commands.search_record import SearchRecord
from maskcls.commands.settings import flat_settings, read_toml
from maskcls.commands.trial_runs import TrialRuns
from maskcls.config.as_file import as_file
from maskcls.config.layers import Value
from maskcls.config.resolve import from_flat, from_json
from maskcls.config.schema import Config
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import some, without_credentials
from maskcls.core.progress import Progress
from maskcls.core.trouble import may_pass
from maskcls.search.page import page
from maskcls.search.sampling import Sampler, make_sampler
from maskcls.search.space import Space, read_space
from maskcls.search.trials import State, Trial, folder_of, ranked, read_trials, write_trial
from maskcls.store import run_files
from maskcls.store.fold_states import read_history
from maskcls.store.lease import Lease
from maskcls.store.paths import Folder

if TYPE_CHECKING:
    from maskcls.cluster.session import Session
    from maskcls.training.job import FoldJob

_FOLD = 0
"""The fold on which all trials are compared first."""
_MANY = 1000
_ATTEMPTS = 50
"""Proposals for one trial that may come out as earlier ones, in a space of a few choices."""
_LOST_IN_A_ROW = 3
"""Trials, or as many as run at a time, that are lost with no epoch of any trial between: what befalls
all of them is no trial's fault, and would use up the whole budget."""


@dataclass(frozen=True)
class Tuned:
    """How it ended, the trials, best first, and where all lies."""

    exit_code: Exit
    trials: list[Trial]
    run: Folder


def tune(
    data: str, run: str, space_file: str, progress: Progress, preset: str | None = None,
    file: str | None = None, sets: Iterable[str] = (), command: Sequence[str] = (),
) -> Tuned:  # fmt: skip
    """Search, or go on with a search.

    data, run, space_file, file: local paths or object-store URIs. space_file: see search/space.py.
    preset, file, sets: the settings that the trials change.
    Exit.DEGRADED: photos could not be decoded, or a trial was lost to the system and is tried again
    by the same command. Raises UserError for bad input or another search in the folder, RunFailed when
    no trial was trained on all folds.
    """
    if os.environ.get("RAY_ADDRESS") and without_credentials(run) != run:
        raise UserError(
            "--run: Ray Tune would keep the credentials of this URI in its records; give them by"
            " environment or role instead."
        )
    base = flat_settings(preset, file, sets)
    config = _checked(from_flat(base))
    space = read_space(read_toml(space_file), base)
    ready = get_ready(data, run, config, progress, marker="search.json")
    with Lease(ready.run, "tune", progress.say) as lease:
        if ready.run.exists("search.json"):
            identity.refuse_other_weights(ready.run, ready.network)
        return _Tuning(ready, base, space, progress, lease).run(command)


def _checked(config: Config) -> Config:
    if config.cluster.workers_per_fold > 1:
        raise UserError(
            "cluster.workers_per_fold: a trial of a search has one worker; set it to 1."
        )
    if config.folds.scheme == "all":
        raise UserError(
            "folds.scheme=all: it holds nobody out, so trials have no score to compare."
        )
    return config


def _out_of_fold(metrics: Mapping[str, Any]) -> dict[str, Any]:
    folds = [fold["macro_f1"] for fold in metrics["folds"]]
    return {
        "macro_f1": metrics["oof"]["macro_f1"],
        "folds": folds,
        "deviation": float(np.std(folds, ddof=1)) if len(folds) > 1 else None,
        "faults": metrics["train_faults"] + metrics["eval_faults"],
    }


class _Tuning:
    """One command's work on a search."""

    def __init__(
        self,
        ready: Ready,
        base: Mapping[str, Value],
        space: Space,
        progress: Progress,
        lease: Lease,
    ) -> None:
        self.ready, self.space = ready, space
        self.progress, self.lease, self.root = progress, lease, ready.run
        self.runs = TrialRuns(ready, base, progress, lease)
        self.trials = {trial.number: trial for trial in read_trials(self.root)}
        self.unwritten: set[int] = set()
        self.lost_in_a_row = 0

    def run(self, command: Sequence[str]) -> Tuned:
        from maskcls.cluster.session import ray_session

        self.record = SearchRecord(self.ready, self.space, command)
        # A record whose lease is lost is another command's.
        with self.record.ending(lambda: not self.lease.lost) as end:
            self._forget_losses()
            if self._is_left():
                dashboard = self.ready.config.cluster.dashboard
                with ray_session(self.ready.cache, dashboard, self.progress) as session:
                    self._search(session)
                    self._train_finalists(session)
            best = self._write_results()
            degraded = any(t.out_of_fold and t.out_of_fold["faults"] for t in best)
            if lost := [str(t.number) for t in self.trials.values() if t.is_lost]:
                self.progress.warn(
                    f"lost to the system: trial {some(lost)}; the same command tries it again"
                )
            end.exit_code = Exit.DEGRADED if degraded or lost else Exit.GOOD
        return Tuned(end.exit_code, best, self.root)

    def _forget_losses(self) -> None:
        """Finished trials of which another start lost other folds are finalists again, if good."""
        for trial in self.trials.values():
            if trial.state == "finished" and trial.is_lost:
                trial.error = None
                write_trial(self.root, trial)

    def _is_left(self) -> bool:
        unfinished = any(t.is_open for t in self.trials.values())
        return unfinished or self.record.may_begin(len(self.trials)) or bool(self._finalists_left())

    def _finalists_left(self) -> list[Trial]:
        finished = [t for t in self.trials.values() if t.state == "finished" and not t.is_lost]
        by_fold = sorted(finished, key=lambda t: (-(t.best or 0.0), t.number))
        finalists = by_fold[: self.space.search.finalists]
        return [t for t in finalists if t.out_of_fold is None]

    # ---- fold 0 of every trial -------------------------------------------------------------------

    def _search(self, session: "Session") -> None:
        again = sorted(t.number for t in self.trials.values() if t.is_open)
        if not again and not self.record.may_begin(len(self.trials)):
            return
        from maskcls.cluster.search import Trials, run_trials

        cluster = self.ready.config.cluster
        machine = session.machine(cluster.resources_per_worker)
        places = make_plan(cluster, _MANY, machine)  # as many as fit
        # The smallest place of a round, so that all of them find room.
        self.place = min(range(places.folds_at_once), key=lambda k: places.threads[k])
        self.threads, self.at_once = places.threads[self.place], places.folds_at_once
        sampler = make_sampler(self.space, (t for t in self.trials.values() if not t.is_open))

        def propose() -> tuple[int, "FoldJob"] | None:
            while True:
                if again:
                    trial = self.trials[again.pop(0)]
                elif (new := self._new_trial(sampler)) is not None:
                    trial = new
                else:
                    return None
                if (job := self._begin(trial, session)) is not None:
                    return trial.number, job
                sampler.tell(trial)

        def ended(number: int, fault: str | None) -> None:
            self._end(self.trials[number], "failed" if fault else "stopped", fault)
            sampler.tell(self.trials[number])

        def lost(number: int, why: str) -> None:
            self._end(self.trials[number], "lost", why)
            sampler.tell(self.trials[number])
            self._count_loss(self.trials[number])

        self.progress.say(
            f"{places.reason}: {places.folds_at_once} trials at a time on fold {_FOLD}, then the best"
            f" {self.space.search.finalists} on all folds"
        )
        storage = _tunes_records(session, self.root)
        run_trials(
            Trials(
                search=self.space.search, propose=propose, epoch_done=self._epoch_done, ended=ended,
                lost=lost, known={t.number: t.scores for t in self.trials.values() if t.scores},
                resources=places.resources_of(self.place), at_once=places.folds_at_once,
                waits_for="a GPU" if places.device == "cuda" else "a worker",
                most_epochs=self._most_epochs(), retries=cluster.retries, stall_s=cluster.stall_s,
                progress=self.progress,
            ),
            storage, f"search-{self.record.starts}",
        )  # fmt: skip
        if left := [t.number for t in self.trials.values() if t.state == "running"]:
            raise RunFailed(f"Ray Tune ended and left trial {left[0]} unfinished; run it again.")

    def _new_trial(self, sampler: Sampler) -> Trial | None:
        """A trial that was not there before; None when the budget is spent, or no other is found."""
        number, seen = len(self.trials), [t.settings for t in self.trials.values()]
        if not self.record.may_begin(number):
            return None
        for attempt in range(_ATTEMPTS):
            settings = sampler.propose(number, attempt)
            if settings not in seen:
                self.trials[number] = Trial(number, settings)
                return self.trials[number]
        self.progress.warn(f"{number} trials: no other settings were found in this space")
        return None

    def _most_epochs(self) -> int:
        domain = self.space.domains.get("train.epochs")
        if domain is None:
            return self.ready.config.train.epochs
        return max(int(domain.at(share)) for share in np.linspace(0, 1, 1000, endpoint=False))

    def _begin(self, trial: Trial, session: "Session") -> "FoldJob | None":
        """Prepare the trial's run; None when it cannot be, or not now."""
        trial.state, trial.error = "running", None
        self._write(trial)  # before its run: a kill in between must not lose the number
        try:
            work = self.runs.work_on(trial, quietly=True)
            work.prepare()
        except (OSError, RunFailed, UserError) as e:
            own = isinstance(e, UserError) and not may_pass(e)
            self._put_away(trial, "refused" if own else "lost", str(e))
            return None
        try:
            return self._place(trial, work, session)
        except (OSError, UserError) as e:
            if not may_pass(e):
                raise  # of the machines or the disk, and of all trials
            self._put_away(trial, "lost", str(e))
            return None

    def _place(self, trial: Trial, work: RunWork, session: "Session") -> "FoldJob":
        machine = session.machine(self.ready.config.cluster.resources_per_worker)
        plan = work.plan(machine, {_FOLD: self.threads})
        work.require_shared(plan, session.own_node())
        # Once for all trials of its size and crop. The trials at work hold the CPUs and wait for us, so
        # it must not ask for any: hence a node, on our own Ray, too.
        work.pixels(session.ray.get_runtime_context().get_node_id())
        self.progress.say(f"trial {trial.number}: {trial.words}")
        return work.jobs(plan, session.own_node())[_FOLD]

    def _put_away(self, trial: Trial, state: Literal["refused", "lost"], why: str) -> None:
        trial.state, trial.error = state, " ".join(why.split())
        self._write(trial)
        cannot = "cannot be" if state == "refused" else "cannot be begun now"
        self.progress.warn(f"trial {trial.number} {cannot}: {trial.error}")
        if state == "lost":
            self._count_loss(trial)

    def _count_loss(self, trial: Trial) -> None:
        """RunFailed when one trial after the other is lost."""
        self.lost_in_a_row += 1
        if self.lost_in_a_row >= max(_LOST_IN_A_ROW, self.at_once):
            raise RunFailed(
                f"{self.root}: {self.lost_in_a_row} trials in a row were lost to the system, the last"
                f" one: {trial.error}; see to that, and the same command goes on."
            )

    def _write(self, trial: Trial) -> None:
        """Write a trial's record, and those that could not be written before.

        Storage that is away for a moment must not end the search. What is known is in memory and
        written with the next record; at the end it must be.
        """
        self.unwritten.add(trial.number)
        try:
            self._write_rest()
            self.record.write()
        except (OSError, UserError) as e:
            if not may_pass(e):
                raise
            self.progress.warn(f"trial {trial.number}: its record cannot be written now: {e}")

    def _write_rest(self) -> None:
        for number in sorted(self.unwritten):
            write_trial(self.root, self.trials[number])
            self.unwritten.discard(number)

    def _epoch_done(self, number: int) -> None:
        self.lease.check()
        self.lost_in_a_row = 0
        trial = self.trials[number]
        self._read_scores(trial)
        self._write(trial)
        if trial.scores:
            self.progress.say(
                f"trial {number} epoch {len(trial.scores)} macro_f1={trial.scores[-1]:.4f}"
            )

    def _read_scores(self, trial: Trial) -> None:
        history = read_history(folder_of(self.root, trial.number), _FOLD)
        # Storage that is away for a moment must not wipe what is known.
        trial.scores = [entry["macro_f1"] for entry in history] or trial.scores

    def _end(self, trial: Trial, state: State, why: str | None) -> None:
        """Note how a trial ended, if its fold is not done: why it failed or was lost."""
        self._read_scores(trial)
        try:
            if run_files.read_done(folder_of(self.root, trial.number), _FOLD) is not None:
                state, why = "finished", None
        except (OSError, UserError) as e:
            if not may_pass(e):
                raise
            # Whether it is done is not known now: another start looks again.
            state, why = "lost", f"its folder cannot be read ({e})"
        trial.state, trial.error = state, None if why is None else " ".join(why.split())
        self._write(trial)
        best = "" if trial.best is None else f", macro F1 {trial.best:.4f}"
        text = f"trial {trial.number} {state} after {len(trial.scores)} epochs{best}"
        tell = self.progress.say if why is None else self.progress.warn
        tell(text if why is None else f"{text}: {trial.error}")

    # ---- the finalists ---------------------------------------------------------------------------

    def _train_finalists(self, session: "Session") -> None:
        while left := self._finalists_left():
            trial = left[0]
            self.progress.say(f"trial {trial.number} goes on on all folds: {trial.words}")
            prepared = False
            try:
                work = self.runs.work_on(trial, quietly=False)
                work.prepare()
                prepared = True
                metrics = work.run_in(session)
            except (OSError, RunFailed, UserError) as e:
                # The next best moves up: one that fails on another fold must not end the search.
                self.lease.check()
                if isinstance(e, FoldsFailed):
                    own = e.by_training
                else:
                    # Fold 0 met with no mistake in the settings, so none is there to be met later.
                    own = not prepared and isinstance(e, UserError) and not may_pass(e)
                trial.state = "failed" if own else "finished"
                trial.error = str(e).partition("\n")[0]
                self.progress.warn(f"trial {trial.number}: {e}")
            else:
                trial.out_of_fold = _out_of_fold(metrics)
            self._write(trial)

    def _write_results(self) -> list[Trial]:
        self._write_rest()
        trials = ranked(self.trials.values())
        if not trials or trials[0].out_of_fold is None:
            lost = next((f"trial {t.number} was {t.note}" for t in trials if t.is_lost), None)
            failed = next((t.error for t in trials if t.error), "none reached its last epoch")
            raise RunFailed(f"{self.root}: no trial was trained to its end: {lost or failed}")
        self.root.write_json("trials.json", [asdict(trial) for trial in trials])
        head = (
            f"The best of {len(trials)} trials, trial {trials[0].number}: out-of-fold macro F1"
            f" {trials[0].out_of_fold['macro_f1']:.4f}"
        )
        best = from_json(folder_of(self.root, trials[0].number).read_json("config.json"))
        self.root.write_bytes("best.toml", as_file(best, head).encode())
        self.root.write_bytes("search.html", page(self.space, trials, self.record.content).encode())
        return trials


def _tunes_records(session: "Session", root: Folder) -> str:
    """Where Ray Tune keeps what it shows; ours decides, so a local search's is thrown away."""
    if session.temporary is None:
        return root.child("ray").location
    return str(session.temporary / "tune")
