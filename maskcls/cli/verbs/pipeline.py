"""`maskcls pipeline`: train, then ensemble."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_settings, settings_epilog
from maskcls.cli.verbs.ensemble import add_by_group, add_decide, add_rule, print_ensemble
from maskcls.cli.verbs.train import add_data_and_run, print_metrics


def _pipeline_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_and_run(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE.csv", help=f"the submission: {LOCATION}"
    )
    add_rule(parser)
    add_by_group(parser)
    add_decide(parser)
    add_settings(parser)


def _pipeline(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.runs.settings import asked_for

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    asked = asked_for(args.data, args.task, args.preset, args.config, args.sets)
    from maskcls.commands.train import pipeline

    with make_progress() as progress:
        done = pipeline(
            args.data, args.run_folder, args.out, asked.config, progress, args.rule, command,
            args.task, args.by_group, args.decide, args.prior, asked.origin,
        )  # fmt: skip
    print_metrics(done.trained.metrics)
    print_ensemble(args.out, done.ensembled.provenance)
    return done.exit_code


VERB = Verb(
    "pipeline",
    "Train the folds of a run, then average them into a submission, as one job.",
    _pipeline_arguments,
    _pipeline,
    settings_epilog,
)
