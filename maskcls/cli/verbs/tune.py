"""`maskcls tune`: search settings."""

import argparse
from shlex import quote

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_settings, say, settings_epilog
from maskcls.cli.verbs.train import add_data_and_run


def _tune_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_and_run(parser)
    parser.add_argument(
        "--space", required=True, metavar="FILE.toml",
        help=f"which settings are searched, and how: see docs/search.md; {LOCATION}",
    )  # fmt: skip
    add_settings(parser)


def _tune(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.cli.status_text import trial_table
    from maskcls.commands.tune import tune

    with make_progress() as progress:
        done = tune(
            args.data, args.run_folder, args.space, progress, args.preset, args.config, args.sets,
            command, args.task,
        )  # fmt: skip
    # The table of the search is that of `maskcls status`.
    for line in trial_table(done.trials):
        say(line)
    say(f"{done.run}/search.html shows which settings mattered; next:")
    best = f"{args.run_folder}/best.toml"
    if not done.run.is_local:  # a name is not appended after a URI's query
        best = done.run.child("best.toml").location
    # Quoted, so that the line can be pasted into a shell whatever the names are.
    task = f" --task {quote(args.task)}" if args.task else ""
    say(f"  maskcls train {quote(args.data)}{task} --run RUN --config {quote(best)}")
    return done.exit_code


VERB = Verb(
    "tune",
    "Search settings: weak trials end early, the best are trained on all folds.",
    _tune_arguments,
    _tune,
    settings_epilog,
)
