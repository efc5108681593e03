"""`maskcls tune`: search settings; weak ones end early, the best are trained on all folds.

RUN/search.json       what is searched, on what, from which settings; and the time spent
RUN/folds.parquet     the folds, the same for all trials
RUN/trials/NNN.json   a trial's record; RUN/trials/NNN/ is its run, as maskcls train makes it
RUN/trials.json       the table, best first
RUN/best.toml         the best settings whole, for --config
RUN/search.html       what was found, and what mattered
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskcls.cluster.plan import make_plan
from maskcls.commands import run_identity as identity
from maskcls.commands.run_work import Ready, get_ready
from maskcls.commands.search_record import SearchRecord
from maskcls.commands.trial_runs import TrialRuns
from maskcls.config.as_file import as_file
from maskcls.config.layers import Value, gather
from maskcls.config.resolve import from_flat, from_json
from maskcls.config.schema import Config
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import without_credentials
from maskcls.core.progress import Progress
from maskcls.search.page import page
from maskcls.search.sampling import Sampler, make_sampler
from maskcls.search.space import Space, read_space
from maskcls.search.trials import Trial, folder_of, ranked, read_trials, write_trial
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

    data, run: local paths or object-store URIs. space_file: see search/space.py. preset, file, sets:
    the settings that the trials change.
    Raises UserError for bad input or another search in the folder, RunFailed when no trial trained.
    """
    base = gather(preset, file, sets)
    space = read_space(space_file, base)
    config = _checked(from_flat(base))
    ready = get_ready(data, run, config, progress, marker="search.json")
    with Lease(ready.run, "tune") as lease:
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
        "faults": metrics["oof"]["faults"] + metrics["eval_faults"],
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

    def run(self, command: Sequence[str]) -> Tuned:
        from maskcls.cluster.session import ray_session

        self.record = SearchRecord(self.ready, self.space, command)
        exit_code = Exit.FAILURE
        try:
            if self._is_left():
                dashboard = self.ready.config.cluster.dashboard
                with ray_session(self.ready.cache, dashboard, self.progress) as session:
                    self._search(session)
                    self._train_finalists(session)
            best = self._write_results()
            degraded = any(t.out_of_fold and t.out_of_fold["faults"] for t in best)
            exit_code = Exit.DEGRADED if degraded else Exit.GOOD
        except KeyboardInterrupt:
            exit_code = Exit.INTERRUPTED
            raise
        finally:
            self.record.end(exit_code)
        return Tuned(exit_code, best, self.root)

    def _is_left(self) -> bool:
        running = any(t.state == "running" for t in self.trials.values())
        return running or self.record.may_begin(len(self.trials)) or bool(self._finalists_left())

    def _finalists_left(self) -> list[Trial]:
        finished = [t for t in self.trials.values() if t.state == "finished"]
        by_fold = sorted(finished, key=lambda t: (-(t.best or 0.0), t.number))
        finalists = by_fold[: self.space.search.finalists]
        return [t for t in finalists if t.out_of_fold is None]

    # ---- fold 0 of every trial -------------------------------------------------------------------

    def _search(self, session: "Session") -> None:
        again = sorted(t.number for t in self.trials.values() if t.state == "running")
        if not again and not self.record.may_begin(len(self.trials)):
            return
        from maskcls.cluster.search import Trials, run_trials

        machine, cluster = session.machine(), self.ready.config.cluster
        places = make_plan(cluster, _MANY, machine)  # as many as fit
        # The smallest place of a round, so that all of them find room.
        self.place = min(range(places.folds_at_once), key=lambda k: places.threads[k])
        self.threads = places.threads[self.place]
        sampler = make_sampler(
            self.space, (t for t in self.trials.values() if t.state != "running")
        )

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
            trial = self.trials[number]
            self._end(trial, fault)
            sampler.tell(trial)

        self.progress.say(
            f"{places.reason}: {places.folds_at_once} trials at a time on fold {_FOLD}, then the best"
            f" {self.space.search.finalists} on all folds"
        )
        storage = _tunes_records(session, self.root)
        run_trials(
            Trials(
                search=self.space.search, propose=propose, epoch_done=self._epoch_done, ended=ended,
                known={t.number: t.scores for t in self.trials.values() if t.scores},
                resources=places.resources_of(self.place), at_once=places.folds_at_once,
                most_epochs=self._most_epochs(), retries=cluster.retries,
            ),
            storage, f"search-{self.record.starts}",
        )  # fmt: skip
        if lost := [t.number for t in self.trials.values() if t.state == "running"]:
            raise RunFailed(f"Ray Tune ended and left trial {lost[0]} unfinished; run it again.")

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
        """Prepare the trial's run; None when its settings cannot be."""
        trial.state = "running"
        write_trial(self.root, trial)  # before its run: a kill in between must not lose the number
        try:
            work = self.runs.work_on(trial, quietly=True)
            work.prepare()
        except UserError as e:
            self._refuse(trial, str(e))
            return None
        plan = work.plan(session.machine(), {_FOLD: self.threads})
        work.require_shared(plan, session.own_node())
        # Once for all trials of its size and crop. The trials at work hold the CPUs and wait for us, so
        # it must not ask for any: hence a node, on our own Ray, too.
        work.pixels(session.ray.get_runtime_context().get_node_id())
        self.progress.say(f"trial {trial.number}: {trial.words}")
        return work.jobs(plan, session.own_node())[_FOLD]

    def _refuse(self, trial: Trial, fault: str) -> None:
        trial.state, trial.error = "refused", fault
        write_trial(self.root, trial)
        self.progress.warn(f"trial {trial.number} cannot be: {fault}")

    def _epoch_done(self, number: int) -> None:
        self.lease.check()
        trial = self.trials[number]
        self._read_scores(trial)
        write_trial(self.root, trial)
        if trial.scores:
            self.progress.say(
                f"trial {number} epoch {len(trial.scores)} macro_f1={trial.scores[-1]:.4f}"
            )

    def _read_scores(self, trial: Trial) -> None:
        history = read_history(folder_of(self.root, trial.number), _FOLD)
        # Storage that is away for a moment must not wipe what is known.
        trial.scores = [entry["macro_f1"] for entry in history] or trial.scores

    def _end(self, trial: Trial, fault: str | None) -> None:
        self._read_scores(trial)
        done = run_files.read_done(folder_of(self.root, trial.number), _FOLD)
        if done is not None:
            trial.state = "finished"
        elif fault is not None:
            trial.state, trial.error = "failed", fault
        else:
            trial.state = "stopped"
        write_trial(self.root, trial)
        self.record.write()
        best = "" if trial.best is None else f", macro F1 {trial.best:.4f}"
        text = f"trial {trial.number} {trial.state} after {len(trial.scores)} epochs{best}"
        self.progress.say(text if fault is None else f"{text}: {fault}")

    # ---- the finalists ---------------------------------------------------------------------------

    def _train_finalists(self, session: "Session") -> None:
        while left := self._finalists_left():
            trial = left[0]
            self.progress.say(f"trial {trial.number} goes on on all folds: {trial.words}")
            try:
                work = self.runs.work_on(trial, quietly=False)
                work.prepare()
                metrics = work.run_in(session)
            except (RunFailed, UserError) as e:
                # The next best moves up: one that fails on another fold must not end the search.
                self.lease.check()
                trial.state, trial.error = "failed", str(e)
                self.progress.warn(f"trial {trial.number}: {e}")
            else:
                trial.out_of_fold = _out_of_fold(metrics)
            write_trial(self.root, trial)
            self.record.write()

    def _write_results(self) -> list[Trial]:
        trials = ranked(self.trials.values())
        if not trials or trials[0].out_of_fold is None:
            why = next((t.error for t in trials if t.error), "none reached its last epoch")
            raise RunFailed(f"{self.root}: no trial was trained to its end: {why}")
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
        location = root.child("ray").location
        if without_credentials(location) != location:
            raise UserError(
                "--run: Ray Tune would keep the credentials of this URI in its records; give them by"
                " environment or role instead."
            )
        return location
    return str(session.temporary / "tune")
