"""`maskcls ensemble`: the submission."""

import argparse
from collections.abc import Mapping
from typing import Any

from maskcls.cli.decided_text import decided_lines, with_bracket_note
from maskcls.cli.progress import make_progress
from maskcls.cli.selection_text import selection_lines
from maskcls.cli.verbs.base import LOCATION, Verb, say, sources_at
from maskcls.core.errors import UserError


def _ensemble_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help=f"runs to average: {LOCATION}")
    parser.add_argument("--out", required=True, metavar="FILE.csv", help="the submission")
    add_rule(parser)
    parser.add_argument(
        "--weights", metavar="6:3:1", help="weight of each run (default: all folds count equally)"
    )
    parser.add_argument(
        "--select",
        choices=("none", "greedy"),
        default="none",
        help="greedy: choose runs and their weights by the held-out images, and say what that gains"
        " on people (groups) it was not chosen on; the mean of all where it gains nothing; with"
        " --by-group by the means of groups, as they are answered",
    )
    add_by_group(parser)
    add_decide(parser)
    parser.add_argument(
        "--allow-missing-folds",
        action="store_true",
        help="average the folds that are there; provenance and exit code 3 report it",
    )


def add_rule(parser: argparse.ArgumentParser) -> None:
    """The option --rule: how several answers are combined."""
    parser.add_argument(
        "--rule",
        type=_rule,
        choices=("logits", "probs", "vote", "vote_parts"),
        default="logits",
        help="mean of logits (default) or of probabilities; a vote of the folds for a class, or for"
        " each part of the label (in the mask task: mask state, gender and age group)",
    )


def add_by_group(parser: argparse.ArgumentParser) -> None:
    """The option --by-group."""
    parser.add_argument(
        "--by-group",
        action="store_true",
        help="a row for each group of eval images, their mean; task.toml names them: [eval] group",
    )


def add_decide(parser: argparse.ArgumentParser) -> None:
    """The options --decide and --prior: how probabilities become answers."""
    parser.add_argument(
        "--decide",
        choices=("argmax", "tuned", "auto"),
        default="auto",
        help="the likeliest class; or factors on the class probabilities that maximise the task's"
        " metric, fitted on the held-out images (AUC, log loss: calibrated probabilities); auto"
        " (default): tuned where it is surely better there",
    )
    parser.add_argument(
        "--prior",
        default="none",
        metavar="none|estimated|FILE",
        help="shares of the classes among the eval images: as in training (default); estimated from the"
        " predictions, where that can be trusted; or a CSV file with columns class,share, or JSON",
    )


def _rule(text: str) -> str:
    if text == "vote_tasks":
        raise argparse.ArgumentTypeError("vote_tasks is called vote_parts now")
    return text


def _weights_of(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(":")]
    except ValueError as e:
        raise UserError(f"--weights {text}: give a number for each run, such as 6:3:1.") from e


def _ensemble(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.ensemble import ensemble

    with make_progress() as progress:
        done = ensemble(
            args.runs, args.out, progress, args.allow_missing_folds, args.rule,
            _weights_of(args.weights), args.by_group, args.decide, args.prior, args.select,
        )  # fmt: skip
    print_ensemble(args.out, done.provenance)
    return done.exit_code


def print_ensemble(out: str, provenance: Mapping[str, Any]) -> None:
    """What the submission was made from; what is missing."""
    members, lost = provenance["members"], provenance["fallback"]["images"]
    rows = "groups" if "by_group" in provenance else "images"
    say(
        f"{out}: {provenance['images']:,} {rows}, {len(members)} folds, {provenance['rule']}"
        + sources_at(out)
    )
    for line in with_bracket_note([*selection_lines(provenance), *decided_lines(provenance)]):
        say(line)
    # Names of images may be thousands: the provenance has them, here their number is enough.
    if lost:
        answer = f"class {provenance['fallback']['class']}"
        if "probabilities" in provenance["fallback"]:
            answer = "the classes' shares of the training images"
        say(f"degraded: {len(lost)} {rows} without logits got {answer}")
    if left_out := provenance.get("not_in_their_groups"):
        say(f"degraded: {len(left_out)} images without logits are not in their groups' answers")
    for run in provenance["runs"]:
        if run["missing_folds"]:
            say(f"degraded: {run['run']} lacks fold {', '.join(map(str, run['missing_folds']))}")


VERB = Verb(
    "ensemble",
    "Average the logits of all folds of some runs into a submission.",
    _ensemble_arguments,
    _ensemble,
)
