"""The best trials of a search, trained on all folds."""

import time
from typing import TYPE_CHECKING

import numpy as np

from maskcls.core.errors import FoldsFailed, RunFailed, UserError, is_transient
from maskcls.core.progress import Progress
from maskcls.runs.run import RunContext, collect, decode, place, train_folds
from maskcls.store.lease import Lease
from maskcls.store.results import Metrics
from maskcls.tuning.backoff import TrialLosses
from maskcls.tuning.trial_runs import TrialRuns
from maskcls.tuning.trial_table import TrialTable
from maskcls.tuning.trials import FinalScore

if TYPE_CHECKING:
    from maskcls.cluster.session import Session


def train_finalists(
    table: TrialTable, count: int, runs: TrialRuns, losses: TrialLosses, progress: Progress,
    lease: Lease, session: "Session",
) -> None:  # fmt: skip
    """Train the best `count` trials of fold 0 on all folds, the best first.

    A trial that fails or is lost is replaced by the next best. Raises RunFailed when the lease is lost.
    """
    losses.begin()
    # Asked anew after each: after a failure the next best becomes a finalist.
    while (left := table.finalists_left(count)) and not losses.too_many:
        trial = left[0]
        progress.say(f"trial {trial.number} is trained on all folds: {trial.words}")
        prepared = False
        try:
            context = runs.begin(trial, quietly=False)
            prepared = True
            metrics = _train(context, session)
        except (OSError, RunFailed, UserError) as e:
            # A trial that fails on another fold must not end the search, but a lost lease must: another
            # command writes into this folder now.
            lease.check()
            if isinstance(e, FoldsFailed):
                own = e.by_training
            else:
                # The settings were valid on fold 0, so that an error after the preparation is not
                # theirs: it is counted as an infrastructure failure, and the trial is retried later.
                own = not prepared and isinstance(e, UserError) and not is_transient(e)
            trial.state = "failed" if own else "finished"
            trial.error = str(e).partition("\n")[0]
            progress.warn(f"trial {trial.number}: {e}")
            table.write(trial)
            if not own:
                # A trial that every start loses must not end the command before the next best is tried.
                losses.add(trial.error, counts=trial.number not in table.lost_before)
                time.sleep(losses.pause_s)
        else:
            trial.out_of_fold = _out_of_fold(metrics)
            table.write(trial)
            losses.reset()


def _train(context: RunContext, session: "Session") -> Metrics:
    plan = place(context, session)
    pixels = decode(context, session.own_node())
    train_folds(context, plan, session)
    return collect(context, *pixels)


def _out_of_fold(metrics: Metrics) -> FinalScore:
    assert metrics.oof is not None  # a search refuses folds.scheme=all
    scores = [fold.result.score for fold in metrics.folds]
    known = [score for score in scores if score is not None]
    # ddof=1: the folds are a sample, from which the spread over other splits is estimated.
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    faults = metrics.train_faults + metrics.eval_faults
    interval = metrics.oof.judged.interval if metrics.oof.judged else None
    return FinalScore(metrics.oof.score.score, scores, deviation, faults, interval)
