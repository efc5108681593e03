"""`maskcls predict`: new images."""

import argparse

from maskcls.cli.decided_text import decided_lines, with_bracket_note
from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_set, say, sources_at
from maskcls.cli.verbs.ensemble import add_decide


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help=f"a finished run: {LOCATION}")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="a folder of images, or a CSV with a column path (or image, ImageID, file_name)"
        f" relative to its folder: {LOCATION}",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE.csv",
        help="path, the answer, and a probability of each class (in the mask task:"
        " path,ans,p0..p17)",
    )
    parser.add_argument(
        "--by-group",
        action="store_true",
        help="a row for each group, its images' mean; groups are named by the training data's column, by"
        " a column group of the CSV, or by the path",
    )
    add_decide(parser)
    add_set(parser, "how the work is placed here, such as cluster.gpus=0; see maskcls train --help")


def _predict(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.runs.settings import settings_of_predict

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    placing = settings_of_predict(args.sets)
    from maskcls.commands.predict import predict

    with make_progress() as progress:
        done = predict(
            args.run_folder, args.images, args.out, progress, placing, args.by_group, args.decide,
            args.prior,
        )  # fmt: skip
    groups = f", {done.provenance['images']:,} groups" if args.by_group else ""
    counts = f"{done.images:,} images, {len(done.faults)} of them without an answer{groups}"
    say(f"{args.out}: {counts}{sources_at(args.out)}")
    for line in with_bracket_note(decided_lines(done.decided)):
        say(line)
    return done.exit_code


VERB = Verb(
    "predict",
    "Answers and probabilities of a finished run for new images.",
    _predict_arguments,
    _predict,
)
