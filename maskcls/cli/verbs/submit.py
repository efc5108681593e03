"""`maskcls submit`: a job on a cluster."""

import argparse
from collections.abc import Sequence

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs import ensemble, pipeline, predict, study, train, tune
from maskcls.cli.verbs.base import Verb, say
from maskcls.config.layers import preset_names

_JOBS = {m.VERB.name: m.VERB for m in (train, ensemble, predict, tune, study, pipeline)}
# Options whose value is a location, as every positional argument is.
_PLACES = ("--run", "--out", "--config", "--space", "--base")


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
        # Everything after JOB is the job's own, even options that submit has, too.
        nargs=argparse.REMAINDER,
        help="those of maskcls JOB; locations are the cluster's. Options of submit come before JOB",
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
    """The locations among a job's arguments: the name in the help, and the value given.

    Parsed by the job's own parser, so that a wrong option ends the command here, not on the cluster.
    """
    # With submit in its name, or its usage would look like that of a local command.
    parser = argparse.ArgumentParser(prog=f"maskcls submit {job}", allow_abbrev=False)
    _JOBS[job].add_arguments(parser)
    given = parser.parse_args(words)
    found: list[tuple[str, str]] = []
    # _actions is private, but argparse has no other list; a test holds what comes of it.
    for action in parser._actions:
        if action.option_strings and not set(_PLACES) & set(action.option_strings):
            continue
        name = action.option_strings[0] if action.option_strings else str(action.metavar)
        value = getattr(given, action.dest, None)
        values = value if isinstance(value, list) else [value]
        # --base names a preset, or else a file.
        known = preset_names() if name == "--base" else ()
        found += [(name, one) for one in values if one and one not in known]
    return found


VERB = Verb(
    "submit",
    "Send a job to a Ray cluster, follow its log, fetch its results.",
    _submit_arguments,
    _submit,
)
