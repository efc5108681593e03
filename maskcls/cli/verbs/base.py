"""The type of a verb, and options that several verbs share."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maskcls.core.names import without_credentials
from maskcls.store.outputs import OutputFile

LOCATION = "local path or object-store URI (s3://..., gs://...)"


# A function, since the settings of --help depend on the preset in the command line.
def _no_epilog(words: Sequence[str]) -> str | None:
    return None


@dataclass(frozen=True)
class Verb:
    """A command: run(args, command line) returns the exit code."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, list[str]], int]
    epilog: Callable[[Sequence[str]], str | None] = _no_epilog


def say(text: str = "") -> None:
    """Print a line of the result."""
    # Flushed, since a reader of a pipe may wait for it; and no location shows its credentials.
    print(without_credentials(text), flush=True)


def sources_at(out: str) -> str:
    """The end of a line about a file of answers: where its sources are named; "" for a stream."""
    # Here: it loads pandas, and the command that has written the file has it already.
    from maskcls.store.provenance import ENDING

    if OutputFile.at(out).is_stream:
        return ""
    return f"; {out}{ENDING} names their sources"


def add_set(parser: argparse.ArgumentParser, text: str) -> None:
    """The option --set."""
    parser.add_argument(
        "--set", dest="sets", metavar="NAME=VALUE", action="append", default=[], help=text
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options from which the configuration is resolved."""
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="a complete configuration (default: the task's; report for mask, plain for others)",
    )
    parser.add_argument("--config", metavar="FILE.toml", help="settings that replace the preset's")
    add_set(
        parser, "one setting, such as optim.lr=1e-4; may be repeated; overrides preset and file"
    )


def add_task(parser: argparse.ArgumentParser) -> None:
    """The option --task."""
    parser.add_argument(
        "--task", metavar="FILE|mask",
        help="a task file or a built-in task (default: DATA/task.toml, else what DATA looks like;"
        " see docs/tasks.md)",
    )  # fmt: skip


def settings_epilog(words: Sequence[str]) -> str:
    """Every setting with its value in the preset that the command line names."""
    from maskcls.cli.settings_help import settings_text

    # By hand: argparse builds the help before it has parsed any option.
    preset = None
    for i, word in enumerate(words):
        if word == "--preset" and i + 1 < len(words):
            preset = words[i + 1]
        elif word.startswith("--preset="):
            preset = word.partition("=")[2]
    return settings_text(preset)
