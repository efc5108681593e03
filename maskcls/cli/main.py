"""argv in, text and exit code out. Each verb imports what it needs when it runs, so --help is quick."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from maskcls.cli import verbs
from maskcls.core.errors import Exit, RunFailed, UserError

DESCRIPTION = (
    "Trains k-fold image classifiers on Ray: from a folder of photos to an ensemble submission"
    " with a score one can believe."
)
EXIT_CODES = (
    "Exit codes: 0 good, 1 failure, 2 a mistake in the input (told in one sentence, nothing started),"
    " 3 done but degraded (what is missing was named), 130 interrupted (the same command goes on)."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code. argv: without the program's name."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(words).parse_args(words)
    except UserError as e:  # help for a preset that does not exist
        print(e, file=sys.stderr)
        return Exit.MISTAKE
    logging.basicConfig(format="%(name)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = args.run(args, ["maskcls", *words])
    except UserError as e:
        print(f"maskcls {args.verb}: {e}", file=sys.stderr)
        return Exit.MISTAKE
    except RunFailed as e:
        print(f"maskcls {args.verb}: {e}", file=sys.stderr)
        return Exit.FAILURE
    except KeyboardInterrupt:
        print(f"maskcls {args.verb}: interrupted; the same command goes on.", file=sys.stderr)
        _leave(Exit.INTERRUPTED)
    return code


def job(verb: str) -> NoReturn:
    """Entry point of `python -m ray_jobs.VERB`: the verb's command line, as a Ray job.

    The last log line repeats the exit code, since Ray turns every failure into 1.
    """
    code = Exit.FAILURE
    try:
        code = Exit(main([verb, *sys.argv[1:]]))
    except SystemExit as e:  # argparse: a wrong option, or --help
        code = Exit.MISTAKE if e.code else Exit.GOOD
    finally:
        sys.stdout.flush()
        print(f"maskcls {verb}: exit code {int(code)} ({code.name.lower()})", file=sys.stderr)
    sys.exit(code)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maskcls", description=DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"maskcls {_version()}")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb in verbs.VERBS:
        own = commands.add_parser(
            verb.name, help=verb.help, description=verb.help, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=verb.epilog(words) if verb.name in words[:1] else None,
        )  # fmt: skip
        verb.add_arguments(own)
        own.set_defaults(run=verb.run)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return version("maskcls")


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _leave(code: Exit) -> NoReturn:
    """End now: threads that wait for Ray would keep the process, and Ray's handlers abort it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
