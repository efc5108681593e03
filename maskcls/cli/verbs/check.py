"""`maskcls check`: reads a data folder and reports faults and findings."""

import argparse
from shlex import quote
from typing import TYPE_CHECKING

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_task, say
from maskcls.core.errors import UserError

if TYPE_CHECKING:
    from maskcls.commands.check import Checked

_MOST_CLASSES = 60  # of a table that is still read; the others are counted


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder of labelled images: {LOCATION}")
    parser.add_argument("--no-decode", action="store_true", help="read the tables only, no image")
    parser.add_argument(
        "--propose", action="store_true",
        help="write a first DATA/task.toml, in which each line says why it is there",
    )  # fmt: skip
    add_task(parser)


def _check(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.check import check, write_proposal

    if args.propose:
        if args.task:
            raise UserError(
                "--propose writes a task file for data that have none, and --task names one; leave one"
                " of them out"
            )
        say(
            f"{write_proposal(args.data)}: written; read it, edit it, then maskcls check {args.data}"
        )
        return 0
    # Closed before anything is printed, or the live table would be drawn over the result.
    with make_progress() as progress:
        found = check(args.data, progress, not args.no_decode, args.task)
    table, task = found.table, found.table.task
    evals = "none to predict"
    if table.eval_images is not None:
        evals = f"{len(table.eval_images):,} eval images"
    word = "people" if task.is_mask else "groups"
    of_groups = f" of {len(table.groups):,} {word}" if task.has_groups else ""
    say(f"{args.data}: {found.how}, {task.num_classes} classes")
    say(f"{len(table.images):,} images{of_groups}, {evals}")
    _say_classes(found, word)
    if found.image_sizes:
        most = sorted(found.image_sizes.items(), key=lambda item: -item[1])
        sizes = ", ".join(f"{size} ({n:,})" for size, n in most[:12])
        more = f", and {len(most) - 12} other sizes" if len(most) > 12 else ""
        say(f"image sizes, height x width: {sizes}{more}")
    for line in found.sentences():
        say(line)
    for finding in found.findings:
        say(f"note   {finding.where}: {finding.text}")
    for path, reason in found.faults.items():
        say(f"fault  {path}: {reason}")
    if not found.faults and not found.findings:
        say("no faults and no findings")
    say(f"next: maskcls train {quote(args.data)}{_task_words(args.task)} --run RUN")
    return found.exit_code


def _task_words(task: str | None) -> str:
    return f" --task {quote(task)}" if task else ""


def _say_classes(found: "Checked", word: str) -> None:
    say(f"{'class':>5}  {'images':>7} {word:>7}")
    rows = list(found.class_table().itertuples(index=False, name=None))
    for number, images, groups, name in rows[:_MOST_CLASSES]:
        say(f"{number:>5}  {images:>7,} {groups:>7,}  {name}")
    if len(rows) > _MOST_CLASSES:
        say(f"       and {len(rows) - _MOST_CLASSES} more classes")


VERB = Verb(
    "check",
    "Check a data folder: which task it is, counts, classes, faults.",
    _check_arguments,
    _check,
)
