"""`maskcls train`: train the folds of a run."""

import argparse
from typing import TYPE_CHECKING

from maskcls.cli.judgement import judgement_lines
from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import (
    LOCATION,
    Verb,
    add_settings,
    add_task,
    say,
    settings_epilog,
)
from maskcls.core.metrics import shown_values, with_interval

if TYPE_CHECKING:
    from maskcls.store.folder import Folder
    from maskcls.store.results import Metrics


def add_data_and_run(parser: argparse.ArgumentParser) -> None:
    """DATA and --run, for every verb that trains."""
    parser.add_argument("data", metavar="DATA", help=f"folder of labelled images: {LOCATION}")
    parser.add_argument(
        "--run",
        dest="run_folder",
        metavar="RUN",
        required=True,
        help=f"the run's folder, created or resumed: {LOCATION}",
    )
    add_task(parser)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_and_run(parser)
    add_settings(parser)


def _train(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.runs.settings import asked_for

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    asked = asked_for(args.data, args.task, args.preset, args.config, args.sets)
    from maskcls.commands.train import train

    with make_progress() as progress:
        done = train(
            args.data, args.run_folder, asked.config, progress, command, args.task, None,
            asked.origin,
        )  # fmt: skip
    print_metrics(done.metrics)
    say(f"{done.run}: next, {_next(done.run, args.run_folder)}")
    return done.exit_code


def _next(run: "Folder", name: str) -> str:
    """The command after train: without images to predict in DATA, there is nothing to ensemble."""
    from maskcls.store.run import Run

    if Run(run).has_eval:
        return f"maskcls ensemble {name} --out submission.csv"
    return f"maskcls predict {name} IMAGES --out predictions.csv"


def print_metrics(metrics: "Metrics") -> None:
    """Scores of the folds and of the run; what is missing."""
    for fold in metrics.folds:
        # Without repeats, "repeat 0" in each line would only raise questions.
        name = f"fold {fold.fold}" + (f" repeat {fold.repeat}" if metrics.repeats else "")
        result = fold.result
        if metrics.oof is None or not result.metrics:
            say(f"{name}  no validation set")
            continue
        shown = shown_values(metrics.oof.score.metric, result.metrics)
        say(f"{name}  {shown}  {result.keep} epoch {result.best_epoch}")
    if metrics.oof is None:
        say("out-of-fold  no score: there is no validation set")
    else:
        score = metrics.oof.score
        parts = "  ".join(
            with_interval(f"{name} {part.macro_f1:.3f}", part.interval, 3)
            for name, part in score.parts.items()
        )
        images = f"{metrics.oof.images:,} images" + (f"; {parts}" if parts else "")
        judged = metrics.oof.judged
        interval = judged.interval if judged else None
        shown = shown_values(score.metric, score.values, interval=interval)
        say(f"out-of-fold  {shown}  ({images})")
        if judged is not None:
            for line in judgement_lines(score.metric, judged, metrics.no_groups is not None):
                say(line)
        if (groups := metrics.oof.by_group) is not None:
            shown = shown_values(score.metric, groups.metrics, interval=groups.interval)
            mixed = f"; {groups.mixed:,} with several labels left out" if groups.mixed else ""
            say(f"by group     {shown}  (means of {groups.groups:,} groups{mixed})")
    if metrics.warning:
        say(f"warning: {metrics.warning}")
    if metrics.no_groups:
        say(f"note: {metrics.no_groups}")
    if metrics.train_faults or metrics.eval_faults:
        say(
            f"degraded: {metrics.train_faults} training and {metrics.eval_faults} eval images"
            " are missing or could not be decoded; faults.json in the run names them"
        )


VERB = Verb(
    "train",
    "Train the folds of a run, or resume it; write its out-of-fold score.",
    _train_arguments,
    _train,
    settings_epilog,
)
