"""`maskcls submit`: a job on a cluster."""

import argparse
from collections.abc import Sequence

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs import ensemble, pipeline, predict, train, tune
from maskcls.cli.verbs.base import Verb, say

_JOBS = {m.VERB.name: m.VERB for m in (train, ensemble, predict, tune, pipeline)}
# Options that name a place, as what stands without an option does.
_PLACES = ("--run", "--out", "--config", "--space")


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        metavar="URL",
        help="the cluster's dashboard (default: RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265)",
    )
    parser.add_argument(
        "--id", dest="job_id", metavar="NAME", help="the job's name (default: a new one)"
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="end once it is submitted; do not follow its log"
    )
    parser.add_argument(
        "--fetch",
        metavar="FOLDER",
        help="new local folder; the results are copied there at the end",
    )
    parser.add_argument("job", metavar="JOB", choices=_JOBS, help=", ".join(_JOBS))
    parser.add_argument(
        "arguments",
        metavar="ARGUMENTS",
        nargs=argparse.REMAINDER,
        help="those of maskcls JOB; locations are the cluster's. Options of submit stand before JOB",
    )


def _submit(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.submit import Argument, Order, submit

    places = [Argument(*place) for place in _places(args.job, args.arguments)]
    order = Order(
        args.job, tuple(args.arguments), tuple(places), args.address, args.job_id,
        wait=not args.no_wait, fetch=args.fetch,
    )  # fmt: skip
    with make_progress() as progress:
        done = submit(order, say, progress)
    if done.fetched:
        say(f"{args.fetch}: {', '.join(done.fetched)}")
    for sentence in done.missing:
        say(f"degraded: {sentence}")
    return done.exit_code


def _places(job: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """What of a job's arguments names a place: its name in the help, and what was given.

    The job's own parser tells, and ends the command here for what the job would not understand.
    """
    parser = argparse.ArgumentParser(prog=f"maskcls submit {job}", allow_abbrev=False)
    _JOBS[job].add_arguments(parser)
    given = parser.parse_args(words)
    found: list[tuple[str, str]] = []
    for action in parser._actions:
        if action.option_strings and not set(_PLACES) & set(action.option_strings):
            continue
        name = action.option_strings[0] if action.option_strings else str(action.metavar)
        value = getattr(given, action.dest, None)
        found += [(name, one) for one in (value if isinstance(value, list) else [value]) if one]
    return found


VERB = Verb(
    "submit",
    "Send a job to a Ray cluster, follow its log, fetch what it made.",
    _submit_arguments,
    _submit,
)
