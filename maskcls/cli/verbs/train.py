"""`maskcls train`: train the folds of a run."""

import argparse
from typing import TYPE_CHECKING

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_settings, say, settings_epilog

if TYPE_CHECKING:
    from maskcls.store.results import Metrics


def add_data_and_run(parser: argparse.ArgumentParser) -> None:
    """DATA and --run, for every verb that trains."""
    parser.add_argument("data", metavar="DATA", help=f"folder with train/ and eval/: {LOCATION}")
    parser.add_argument(
        "--run",
        dest="run_folder",
        metavar="RUN",
        required=True,
        help=f"the run's folder, created or resumed: {LOCATION}",
    )


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_and_run(parser)
    add_settings(parser)


def _train(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.runs.settings import settings

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    config = settings(args.preset, args.config, args.sets)
    from maskcls.commands.train import train

    with make_progress() as progress:
        done = train(args.data, args.run_folder, config, progress, command)
    print_metrics(done.metrics)
    say(f"{done.run}: next, maskcls ensemble {args.run_folder} --out submission.csv")
    return done.exit_code


def print_metrics(metrics: "Metrics") -> None:
    """Scores of the folds and of the run; what is missing."""
    for fold in metrics.folds:
        # Without repeats, "repeat 0" in each line would only raise questions.
        name = f"fold {fold.fold}" + (f" repeat {fold.repeat}" if metrics.repeats else "")
        result = fold.result
        if result.macro_f1 is None:
            say(f"{name}  no validation set")
            continue
        say(
            f"{name}  macro F1 {result.macro_f1:.4f}"
            f"  accuracy {result.accuracy:.4f}  best epoch {result.best_epoch}"
        )
    if metrics.oof is None:
        say("out-of-fold  no score: there is no validation set")
    else:
        score = metrics.oof.score
        parts = "  ".join(f"{name} {part.macro_f1:.3f}" for name, part in score.parts.items())
        say(
            f"out-of-fold  macro F1 {score.macro_f1:.4f}  accuracy {score.accuracy:.4f}"
            f"  ({metrics.oof.images:,} images; {parts})"
        )
    if metrics.warning:
        say(f"warning: {metrics.warning}")
    if metrics.train_faults or metrics.eval_faults:
        say(
            f"degraded: {metrics.train_faults} training and {metrics.eval_faults} eval images"
            " could not be decoded; faults.json in the run names them"
        )


VERB = Verb(
    "train",
    "Train the folds of a run, or resume it; write its out-of-fold score.",
    _train_arguments,
    _train,
    settings_epilog,
)
