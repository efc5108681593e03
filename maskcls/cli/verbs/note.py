"""`maskcls note`: a note or a tag for a run."""

import argparse

from maskcls.cli.verbs.base import LOCATION, Verb, say


def _note_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        # args.run is the verb's function.
        "run_folder", metavar="RUN", help=f"the run, which may be in progress: {LOCATION}"
    )  # fmt: skip
    parser.add_argument("text", metavar="TEXT", nargs="?", default="", help="what to remember")
    parser.add_argument(
        "--tag", metavar="T", action="append", default=[], help="a tag; may be repeated"
    )


def _note(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.cli.progress import one_line
    from maskcls.commands.note import note

    added = note(args.run_folder, args.text, args.tag)
    words = [*(f"#{tag}" for tag in added.tags), *([added.text] if added.text else [])]
    say(f"{args.run_folder}: {one_line(' '.join(words))}")
    return 0


VERB = Verb(
    "note", "Add a note or a tag to a run; maskcls runs shows them.", _note_arguments, _note
)
