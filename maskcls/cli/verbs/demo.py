"""`maskcls demo`: draws people and runs the complete job on them."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import Verb, say


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="fewer people, two folds, no dashboard: a minute"
    )
    parser.add_argument("--out", help="folder (default: maskcls-demo, or maskcls-demo-quick)")


def _demo(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.demo import demo

    folder = args.out or ("maskcls-demo-quick" if args.quick else "maskcls-demo")
    with make_progress() as progress:
        done = demo(folder, args.quick, progress, command)
    oof, answers = done.metrics.oof, done.score.score
    assert oof is not None  # the demo's settings have validation folds
    images, folds = f"{oof.images:,} images to train on", f"{len(done.metrics.folds)} folds"
    # Repeated, the demo finds everything done; "Drew" would be wrong then.
    did = f"Drew {images}, trained {folds}"
    if done.was_there:
        did = f"Found {images} and {folds} trained by an earlier demo"
    say(f"{did}, averaged them: {done.seconds:.0f} s.")
    say(
        f"  out-of-fold  macro F1 {oof.score.macro_f1:.3f}  accuracy {oof.score.accuracy:.3f}"
        "   (18 classes; guessing gives about .05)"
    )
    say(
        f"  submission   macro F1 {answers.macro_f1:.3f}"
        f"  accuracy {answers.accuracy:.3f}   (by the drawn truth)"
    )
    say("Where to look:")
    for path, what in (
        ("data/train/images", "the drawn people, seven images each"),
        ("run/metrics.json", "scores, per class and per fold"),
        ("run/oof.parquet", "each training image's logits, from the fold that did not train on it"),
        ("run/fold-0/history.jsonl", "a line per epoch"),
        ("submission.csv", "the ensemble's answers; .provenance.json names their sources"),
    ):
        say(f"  {done.folder.name + '/' + path:<40} {what}")
    say("The same on your images: maskcls check DATA, then maskcls train DATA --run RUN")
    return done.exit_code


VERB = Verb(
    "demo",
    "Draw a small data set, run the complete job on it, list the results.",
    _demo_arguments,
    _demo,
)
