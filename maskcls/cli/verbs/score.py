"""`maskcls score`: the official score."""

import argparse
import json
import sys

from maskcls.cli.verbs.base import Verb, say


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", metavar="SUBMISSION.csv", help="ImageID,ans: the answers")
    parser.add_argument("truth", metavar="TRUTH.csv", help="ImageID,ans: the truth; joined by ID")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")


def _score(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.score import score

    found = score(args.submission, args.truth)
    if args.json:
        say(json.dumps(found.to_json()))  # with the warning in it, for programs
        return 0
    if found.warning is not None:
        # To stderr: a script that reads the score from stdout must not stumble over it.
        print(f"warning: {found.warning}", file=sys.stderr)
    say(
        f"macro F1 {found.score.macro_f1:.4f}  accuracy {found.score.accuracy:.4f}"
        f"  ({found.images:,} images)"
    )
    for row in found.score.per_class:
        say(f"{row.number:>5}  F1 {row.f1:.3f}  {row.images:>6,}  {row.name}")
    return 0


VERB = Verb(
    "score",
    "Official macro F1 and accuracy of a submission.",
    _score_arguments,
    _score,
)
