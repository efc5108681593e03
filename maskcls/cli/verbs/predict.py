"""`maskcls predict`: new images."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_set, say
from maskcls.core.errors import UserError

_WITHOUT_EFFECT = (
    "cluster.threads", "cluster.workers_per_fold", "cluster.folds_at_once", "cluster.retries",
)  # fmt: skip


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help=f"a finished run: {LOCATION}")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="a folder of images, or a CSV with a column path (or ImageID)"
        f" relative to its folder: {LOCATION}",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE.csv",
        help="path,ans,p0..p17: the class and the probabilities of all 18",
    )
    add_set(
        parser, "how the work is placed here: cluster.gpus=0 and the like, see maskcls train --help"
    )


def _predict(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.config.resolve import resolve

    if other := [text for text in args.sets if not text.startswith("cluster.")]:
        raise UserError(f"--set {other[0]}: predict takes cluster.* only; the rest is the run's.")
    for name in _WITHOUT_EFFECT:
        if any(text.partition("=")[0].strip() == name for text in args.sets):
            raise UserError(
                f"--set {name}: has no effect on predict; a fold predicts once, by one worker with"
                " the threads that it trained with."
            )
    placing = resolve(None, None, args.sets).cluster
    from maskcls.commands.predict import predict

    with make_progress() as progress:
        done = predict(args.run_folder, args.images, args.out, progress, placing)
    say(f"{args.out}: {done.images:,} images, {len(done.faults)} of them without an answer")
    return done.exit_code


VERB = Verb(
    "predict",
    "Answers and probabilities of a finished run for new images.",
    _predict_arguments,
    _predict,
)
