"""`maskcls train`: from a folder of images to five folds' logits and an out-of-fold score.

    train = prepare -> begin -> place -> decode -> train_folds -> collect

The steps are those of runs/run.py, in the order of runs/whole_run.py.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskcls.commands.ensemble import Ensembled, ensemble
from maskcls.config.schema import Config
from maskcls.core.errors import Exit, UserError
from maskcls.core.progress import Progress
from maskcls.data.find_task import find_task
from maskcls.evaluation.decided import require_possible
from maskcls.evaluation.ensembling import Rule, require_probabilities
from maskcls.runs.prepare import prepare
from maskcls.runs.run import (
    RunContext,
    begin,
    collect,
    decode,
    finish_without_ray,
    note_dashboard,
    place,
    train_folds,
)
from maskcls.runs.whole_run import exit_code_of, recorded
from maskcls.statistics.choice import Decide
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.store.outputs import OutputFile
from maskcls.store.record import Origin
from maskcls.store.results import Metrics

if TYPE_CHECKING:
    from maskcls.cluster.session import Session


@dataclass(frozen=True)
class Trained:
    """What train returns: how it ended, the run's metrics, and where it is."""

    exit_code: Exit
    metrics: Metrics
    run: Folder


def train(
    data: str, run: str, config: Config, progress: Progress, command: Sequence[str] = (),
    task: str | None = None, by_group: bool | None = None, origin: Origin | None = None,
) -> Trained:  # fmt: skip
    """Train what is left of a run, then collect its folds.

    data, run: local paths or object-store URIs. command: what the user typed, for the record. task: a
    task file or a built-in task's name; None for the one that the data implies. by_group: whether
    answers by group are to be written afterwards, or by image, so that what they lack is refused; None
    for neither. origin: of the settings, for the record.
    Raises UserError before anything starts for bad input or a run that was started otherwise,
    RunFailed when a fold failed (the others are finished first).
    """
    prepared = prepare(data, run, config, progress, task, by_group=by_group)
    with Lease(prepared.run.folder, "train", progress.say) as lease:
        context = begin(prepared, progress, lease.check)
        del prepared  # the tables are held once
        with recorded(context, command, lease, origin) as end:
            metrics = finish_without_ray(context)
            if metrics is None:
                with _ray(context) as session:
                    plan = place(context, session)
                    pixels = decode(context, session.own_node())
                    train_folds(context, plan, session)
                metrics = collect(context, *pixels)
            end.exit_code = exit_code_of(metrics)
    return Trained(end.exit_code, metrics, context.run.folder)


@contextmanager
def _ray(context: RunContext) -> Iterator["Session"]:
    from maskcls.cluster.session import ray_session

    started = time.monotonic()
    with ray_session(context.cache, context.config.cluster.dashboard, context.progress) as session:
        context.time_s["ray_start"] = time.monotonic() - started
        note_dashboard(context, session.dashboard)
        yield session


@dataclass(frozen=True)
class Piped:
    """What the two commands returned."""

    trained: Trained
    ensembled: Ensembled

    @property
    def exit_code(self) -> Exit:
        """DEGRADED when one of them was."""
        return max(self.trained.exit_code, self.ensembled.exit_code)


def pipeline(
    data: str, run: str, out: str, config: Config, progress: Progress, rule: Rule = "logits",
    command: Sequence[str] = (), task: str | None = None, by_group: bool = False,
    decide: Decide = "auto", prior: str = "none", origin: Origin | None = None,
) -> Piped:  # fmt: skip
    """Train what is left of a run, then write the submission of its folds.

    Arguments as those of train and ensemble. Raises as they do; what only the second would refuse is
    refused before the first begins.
    """
    OutputFile.at(out)
    file = find_task(Folder.at(data), task)
    if file.eval is None or not Folder.at(data).exists(file.eval.table or file.eval.images):
        raise UserError(
            f"{data}: no images to predict in it ({file.how}), so there is nothing to submit; use train."
        )
    if file.answers.values.startswith("probabilit"):
        require_probabilities(rule)
    require_possible(decide, prior, rule)
    trained = train(data, run, config, progress, command, task, by_group, origin)
    ended = ensemble([run], out, progress, rule=rule, by_group=by_group, decide=decide, prior=prior)
    return Piped(trained, ended)
