"""All steps of a run that has begun, with its command's entry in the record.

commands/train.py has the same steps itself: there they are the story of the main job, and a function
less between argv and the training loop.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from maskcls.core.errors import Exit
from maskcls.runs.run import RunContext, collect, decode, finish_without_ray, place, train_folds
from maskcls.store.lease import Lease
from maskcls.store.record import Ending, Origin, ending
from maskcls.store.results import Metrics

if TYPE_CHECKING:
    from maskcls.cluster.fold_queue import MakeFit
    from maskcls.cluster.session import Session

Sessions = Callable[[RunContext], AbstractContextManager["Session"]]
"""Starts or lends the Ray of a run that needs one."""


@contextmanager
def recorded(
    context: RunContext, command: Sequence[str], lease: Lease, origin: Origin | None = None
) -> Iterator[Ending]:
    """This start in the run's record, with its end; the caller sets exit_code.

    command: what the user typed. lease: of the run, held. origin: of the settings; that of the first
    start stays.
    """
    if not context.record.starts:
        context.record.origin = origin
    start = context.record.add_start(command)
    context.run.write_record(context.record)

    def write() -> None:
        context.run.write_record(context.record)

    with ending(start, write, lambda: not lease.lost) as end:
        yield end


def exit_code_of(metrics: Metrics) -> Exit:
    """DEGRADED where images could not be decoded."""
    return Exit.DEGRADED if metrics.train_faults + metrics.eval_faults else Exit.GOOD


def train_whole(
    context: RunContext, command: Sequence[str], lease: Lease, sessions: Sessions,
    make_fit: "MakeFit | None" = None,
) -> tuple[Exit, Metrics]:  # fmt: skip
    """Train what is left of the run and collect it; no Ray is asked for where nothing is left.

    command: what the user typed, for the record. lease: of the run, held. make_fit: see train_folds.
    Raises as train_folds.
    """
    with recorded(context, command, lease) as end:
        metrics = finish_without_ray(context)
        if metrics is None:
            with sessions(context) as session:
                plan = place(context, session)
                pixels = decode(context, session.own_node())
                train_folds(context, plan, session, make_fit)
            metrics = collect(context, *pixels)
        end.exit_code = exit_code_of(metrics)
    return end.exit_code, metrics
