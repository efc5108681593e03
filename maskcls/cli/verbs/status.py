"""`maskcls status`: progress of runs and searches."""

import argparse
import sys

from maskcls.cli.verbs.base import LOCATION, Verb, say
from maskcls.core.errors import UserError


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="*",
        help=f"runs or searches to show: {LOCATION} (default: those directly in this folder)",
    )
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="repeat at this interval until all are done"
    )
    parser.add_argument(
        "--address",
        metavar="URL",
        help="Ray's dashboard, for the state of the workers (default: RAY_API_SERVER_ADDRESS, else"
        " that of the run's own local Ray)",
    )
    parser.add_argument("--json", action="store_true", help="all figures as JSON")


def _status(args: argparse.Namespace, command: list[str]) -> int:
    import time

    from maskcls.cli.status_text import as_json, lines_of
    from maskcls.commands.status import runs_in, status
    from maskcls.store.folder import Folder

    if args.watch is not None and args.watch <= 0:
        raise UserError("--watch: give the interval in seconds, such as --watch 5")
    # To stderr, since stdout may be JSON.
    runs = args.runs or runs_in(Folder.at("."), lambda text: print(text, file=sys.stderr))
    if not runs:
        raise UserError("status: no run or search is directly in this folder; name one: RUN")
    while True:
        found = [status(run, args.address) for run in runs]
        for line in [as_json(found)] if args.json else lines_of(found):
            say(line)
        if args.watch is None or all(one.over for one in found):
            return 0
        time.sleep(args.watch)


VERB = Verb(
    "status",
    "Progress of runs and searches: folds, epochs, images/s, loss, score, time left.",
    _status_arguments,
    _status,
)
