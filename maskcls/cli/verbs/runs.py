"""`maskcls runs`: all runs below a folder."""

import argparse
import json
import sys

from maskcls.cli.verbs.base import LOCATION, Verb, say


def _runs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "root", metavar="ROOT", nargs="?", default=".",
        help=f"the folder below which runs are looked for: {LOCATION} (default: this folder)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    parser.add_argument(
        "--sort", metavar="KEY", default="score",
        help="score (best first; default), run, state, created, or a setting such as optim.lr; with a"
        " minus before it, such as -created, the other way round; runs without the value are last",
    )  # fmt: skip
    parser.add_argument(
        "--where", metavar="NAME=VALUE", action="append", default=[],
        help="only runs with this setting, such as optim.lr=1e-3, or state=finished; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--tag", metavar="T", action="append", default=[], help="only runs with this tag; likewise"
    )


def _runs(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.cli.runs_text import lines_of
    from maskcls.commands.runs import runs

    # To stderr, since stdout may be JSON.
    found = runs(
        args.root, lambda text: print(text, file=sys.stderr), args.sort, args.where, args.tag
    )
    if args.json:
        say(json.dumps([run.to_json() for run in found.runs], ensure_ascii=False))
        return 0
    for line in lines_of(found):
        say(line)
    return 0


VERB = Verb(
    "runs",
    "All runs below a folder: score with interval, what differs, notes; past forecasts.",
    _runs_arguments,
    _runs,
)
