"""`maskcls check`: reads a data folder and reports faults and findings."""

import argparse

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, say
from maskcls.core.labels import class_name


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder with train/ and eval/: {LOCATION}")
    parser.add_argument("--no-decode", action="store_true", help="read the tables only, no image")


def _check(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.check import check

    # Closed before anything is printed, or the live table would be drawn over the result.
    with make_progress() as progress:
        found = check(args.data, progress, decode_images=not args.no_decode)
    table = found.table
    evals = "no eval/" if table.eval_images is None else f"{len(table.eval_images):,} eval images"
    say(f"{args.data}: {len(table.images):,} images of {len(table.people):,} people, {evals}")
    say(f"{'class':>5}  {'images':>7} {'people':>7}")
    for row in found.class_table().itertuples(index=False):
        number, images, people = (int(x) for x in row)
        say(f"{number:>5}  {images:>7,} {people:>7,}  {class_name(number)}")
    if found.image_sizes:
        sizes = ", ".join(f"{size} ({n:,})" for size, n in found.image_sizes.items())
        say(f"image sizes, height x width: {sizes}")
    for finding in found.findings:
        say(f"note   {finding.where}: {finding.text}")
    for path, reason in found.faults.items():
        say(f"fault  {path}: {reason}")
    if not found.faults and not found.findings:
        say("no faults and no findings")
    return found.exit_code


VERB = Verb(
    "check",
    "Check a data folder: counts, class table, faults.",
    _check_arguments,
    _check,
)
