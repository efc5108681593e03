"""`maskcls compare`: two or more runs against each other."""

import argparse

from maskcls.cli.verbs.base import LOCATION, Verb, say


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help=f"two or more finished runs on the same data: {LOCATION}; runs that differ in train.seed"
        " alone are the seeds of one setting, unless all of them are",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures there, as JSON")


def _compare(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.cli.compare_text import lines_of
    from maskcls.commands.compare import compare

    for line in lines_of(compare(args.runs, args.json)):
        say(line)
    return 0


VERB = Verb(
    "compare",
    "Is B better than A: the paired difference with its interval, and what differs.",
    _compare_arguments,
    _compare,
)
