"""`maskcls submitted`: what the leaderboard said of a submission."""

import argparse

from maskcls.cli.verbs.base import LOCATION, Verb, say


def _submitted_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help=f"the submission that maskcls ensemble or predict has written: {LOCATION}",
    )
    parser.add_argument("--public", type=float, metavar="X", help="the public leaderboard's value")
    parser.add_argument("--private", type=float, metavar="Y", help="the private one's, once known")


def _submitted(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.cli.runs_text import judgement
    from maskcls.commands.submitted import submitted

    found = submitted(args.file, args.public, args.private)
    forecast = found.forecast
    values = [
        f"{name} {value:.4f}"
        for name, value in (("public", found.public), ("private", found.private))
        if value is not None
    ]
    line = f"{found.file}: {', '.join(values)}"
    if forecast is not None:
        interval = forecast.interval
        around = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
        line += f"; forecast {forecast.value:.4f}{around}"
        line += f": {judgement(found)}" if judgement(found) else ""
    say(line)
    return 0


VERB = Verb(
    "submitted",
    "Record what the leaderboard said of a submission; maskcls runs shows it.",
    _submitted_arguments,
    _submitted,
)
