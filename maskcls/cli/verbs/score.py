"""`maskcls score`: a submission's score by the true labels."""

import argparse
import json
import sys

from maskcls.cli.judgement import bracket_note
from maskcls.cli.verbs.base import LOCATION, Verb, say
from maskcls.core.metrics import shown_values, with_interval


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "submission", metavar="SUBMISSION.csv", help="the answers; without --run ImageID,ans"
    )
    parser.add_argument(
        "truth",
        metavar="TRUTH.csv",
        help="the true classes of the same images, by which the two are joined: in the column of the"
        " answers, or in one named label",
    )
    parser.add_argument(
        "--run",
        dest="run_folder",  # args.run is the verb's function
        metavar="RUN",
        help="the run whose task says what an answer is and by what it is scored"
        f" (default: the mask competition): {LOCATION}",
    )
    parser.add_argument("--json", action="store_true", help="all figures as JSON")


def _score(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.score import score

    found = score(args.submission, args.truth, args.run_folder)
    if args.json:
        say(json.dumps(found.to_json()))  # with the warning in it, for programs
        return 0
    if found.warning is not None:
        # To stderr: a script that reads the score from stdout must not stumble over it.
        print(f"warning: {found.warning}", file=sys.stderr)
    shown = shown_values(found.score.metric, found.score.values, interval=found.interval)
    say(f"{shown}  ({found.images:,} images)")
    if found.interval is not None:
        note = f" ({found.interval_note})" if found.interval_note else ""
        say(bracket_note(found.interval, found.interval_by) + note)
    for name, part in found.score.parts.items():
        shown = with_interval(f"{part.macro_f1:.3f}", part.interval, 3)
        say(f"{name}: macro F1 {shown}  accuracy {part.accuracy:.3f}")
    rows = found.score.per_class
    around = [row.interval.shown(3) if row.interval else "" for row in rows]
    width = max(map(len, around))
    for row, interval in zip(rows, around, strict=True):
        shown = f" {interval:<{width}}" if width else ""
        say(f"{row.number:>5}  F1 {row.f1:.3f}{shown}  {row.images:>6,}  {row.name}")
    return 0


VERB = Verb(
    "score",
    "A submission's score by the true labels.",
    _score_arguments,
    _score,
)
