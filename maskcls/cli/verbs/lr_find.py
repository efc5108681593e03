"""`maskcls lr-find`: a learning-rate range test."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_settings, add_task, say, settings_epilog


def _lr_find_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder of labelled images: {LOCATION}")
    add_task(parser)
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="new folder for lr_find.png and lr_find.json"
    )
    add_settings(parser)
    parser.add_argument("--low", type=float, default=1e-7, help="first rate (default: 1e-7)")
    parser.add_argument("--high", type=float, default=1.0, help="last rate (default: 1)")
    parser.add_argument("--updates", type=int, default=100, help="updates (default: 100)")


def _lr_find(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.runs.settings import settings_for

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    config = settings_for(args.data, args.task, args.preset, args.config, args.sets)
    from maskcls.commands.lr_find import lr_find

    with make_progress() as progress:
        found = lr_find(
            args.data, args.out, config, progress, args.low, args.high, args.updates, command,
            args.task,
        )  # fmt: skip
    say(f"{found.folder}/lr_find.png: the loss falls fastest at {found.steepest:.2g}")
    say(f"and is lowest at {found.lowest:.2g}; a good optim.lr is near the first.")
    return 0


VERB = Verb(
    "lr-find",
    "Learning-rate range test on fold 0 of some settings, with a plot.",
    _lr_find_arguments,
    _lr_find,
    settings_epilog,
)
