"""`maskcls study`: compare single changes with a base."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maskcls.cli.progress import make_progress
from maskcls.cli.verbs.base import LOCATION, Verb, add_set, add_task, say
from maskcls.core.metrics import TITLES

if TYPE_CHECKING:
    from maskcls.commands.study import Studied


def _study_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder of labelled images: {LOCATION}")
    parser.add_argument(
        "--out", required=True, metavar="DIR",
        help=f"the study's folder, created or resumed, with a run for each change and seed: {LOCATION}",
    )  # fmt: skip
    parser.add_argument(
        "--base", metavar="PRESET|FILE.toml",
        help="the settings that are changed: a preset, or a file on top of the task's preset"
        " (default: the task's preset)",
    )  # fmt: skip
    parser.add_argument(
        "--change", dest="changes", metavar="NAME=VALUE", action="append", default=[],
        help="one change, such as loss.name=focal; repeated for others; NAME=VALUE+NAME=VALUE changes"
        " several settings together",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N",
        help="times that each is trained, with train.seed of the base and those after it (default: 3)",
    )  # fmt: skip
    add_set(parser, "a setting of the base, and so of all runs, such as train.epochs=5")
    add_task(parser)
    parser.add_argument(
        "--dry-run", action="store_true",
        help="check everything, and say what would be trained and about how long it takes",
    )  # fmt: skip


def _study(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.study import study

    with make_progress() as progress:
        done = study(
            args.data, args.out, args.changes, progress, args.base, args.seeds, args.sets, command,
            args.task, args.dry_run,
        )  # fmt: skip
    if args.dry_run:
        for line in plan_lines(done):
            say(line)
        return done.exit_code
    for line in result_lines(done):
        say(line)
    for one in done.results:
        for name, why in one.failed.items():
            say(f"degraded: {name} failed: {why}; the same command tries it again")
    say(f"{done.folder}/study.html shows them; each run is below {done.folder}")
    return done.exit_code


def plan_lines(done: "Studied") -> list[str]:
    """What would be trained, and about how long."""
    from maskcls.tuning.study_runs import minutes

    states = {
        run.name: "done" if run.is_done else "resumed" if run.begun else "new" for run in done.runs
    }
    width = max(map(len, states))
    lines = [f"{name:<{width}}  {state}" for name, state in states.items()]
    left = sum(not run.is_done for run in done.runs)
    if done.left_s is None:
        about = "how long is known once the first is done"
    else:
        about = (
            f"about {minutes(done.left_s)}, by the runs that are done"
            if left
            else "nothing to train"
        )
    return [*lines, f"{left} of {len(done.runs)} runs would be trained; {about}"]


def result_lines(done: "Studied") -> list[str]:
    """A head, the base, a line for each change, the best first, and what they come to."""
    from maskcls.tuning.study_page import base_numbers, own_numbers
    from maskcls.tuning.study_results import basis, headline

    metric = done.metric
    rows = [["change", "seeds", TITLES[metric], "difference", "p", "p, Holm", "verdict"]]
    rows += [
        ["base", *base_numbers(metric, one), ""] for one in done.results if one.base is not None
    ][:1]
    rows += [[one.change, *own_numbers(metric, one), one.verdict] for one in done.results]
    ends = [headline(done.results), basis(done.results)]
    return [*_aligned(rows), *filter(None, ends)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width: the first and the last from the left, numbers from the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *numbers, last in rows:
        cells = [f"{n:>{w}}" for n, w in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells, last]).rstrip())
    return lines


def _epilog(words: Sequence[str]) -> str:
    """Every setting with its value in the base, if that is a preset."""
    from maskcls.cli.settings_help import settings_text
    from maskcls.config.layers import preset_names

    # By hand: argparse builds the help before it has parsed any option.
    given = [w.partition("=")[2] for w in words if w.startswith("--base=")]
    given += [words[i + 1] for i, w in enumerate(words[:-1]) if w == "--base"]
    return settings_text(given[-1] if given and given[-1] in preset_names() else None)


VERB = Verb(
    "study",
    "Compare changes with a base: each alone, on the same folds, with several seeds.",
    _study_arguments,
    _study,
    _epilog,
)
