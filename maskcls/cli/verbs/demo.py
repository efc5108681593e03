"""`maskcls demo`: writes a data set and runs the complete job on it."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import Verb, say
from maskcls.core.metrics import shown_values


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="less data, two folds, no dashboard: a minute"
    )
    parser.add_argument(
        "--task", choices=("mask", "digits"), default="mask",
        help="drawn people of the mask task (default), or scikit-learn's handwritten digits",
    )  # fmt: skip
    parser.add_argument("--out", help="folder (default: maskcls-demo, with -digits, -quick)")


def _demo(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.demo import demo

    is_mask = args.task == "mask"
    name = "maskcls-demo" + ("" if is_mask else f"-{args.task}") + ("-quick" if args.quick else "")
    with make_progress() as progress:
        done = demo(args.out or name, args.quick, progress, command, args.task)
    oof, answers = done.metrics.oof, done.score.score
    assert oof is not None  # the demo's settings have validation folds
    interval = oof.judged.interval if oof.judged else None
    images, folds = f"{oof.images:,} images to train on", f"{len(done.metrics.folds)} folds"
    # Repeated, the demo finds everything done; "Drew" would be wrong then.
    did = f"{'Drew' if is_mask else 'Wrote'} {images}, trained {folds}"
    if done.was_there:
        did = f"Found {images} and {folds} trained by an earlier demo"
    say(f"{did}, averaged them: {done.seconds:.0f} s.")
    say(
        f"  out-of-fold  {shown_values(oof.score.metric, oof.score.values, 3, interval)}"
        f"   ({done.num_classes} classes; guessing gives about {1 / done.num_classes:.2f})"
    )
    say(
        f"  submission   {shown_values(answers.metric, answers.values, 3, done.score.interval)}"
        "   (by the true labels)"
    )
    say("Where to look:")
    shown = ("data/train", "the digits, a folder for each class")
    if is_mask:
        shown = ("data/train/images", "the drawn people, seven images each")
    files = (
        shown,
        ("run/metrics.json", "scores, per class and per fold"),
        ("run/oof.parquet", "each training image's logits, from the fold that did not train on it"),
        ("run/fold-0/history.jsonl", "a line per epoch"),
        ("submission.csv", "the ensemble's answers; .provenance.json names their sources"),
    )
    paths = [f"{done.folder.name}/{path}" for path, _ in files]
    width = max(40, *map(len, paths))
    for path, (_, what) in zip(paths, files, strict=True):
        say(f"  {path:<{width}} {what}")
    say("The same on your images: maskcls check DATA, then maskcls train DATA --run RUN")
    return done.exit_code


VERB = Verb(
    "demo",
    "Write a small data set, run the complete job on it, list the results.",
    _demo_arguments,
    _demo,
)
