"""argv in, text and exit code out. Each verb imports what it needs when it runs, so --help is quick."""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from maskcls.cli.verbs import VERBS
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import without_credentials

DESCRIPTION = (
    "Trains k-fold image classifiers on Ray: from a folder of images to an ensemble submission"
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
        _tell(args.verb, e)
        return Exit.MISTAKE
    except RunFailed as e:
        _tell(args.verb, e)
        return Exit.FAILURE
    except KeyboardInterrupt:
        _tell(args.verb, "interrupted; the same command goes on where it stopped.")
        return Exit.INTERRUPTED
    return code


def entry() -> NoReturn:
    """The console command: main, then the end of the process."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.FAILURE
    _end(code)


def job(verb: str) -> NoReturn:
    """Entry point of `python -m ray_jobs.VERB`: the verb's command line, as a Ray job.

    The last log line repeats the exit code, since Ray turns every failure into 1.
    """
    try:
        code = Exit(main([verb, *sys.argv[1:]]))
    except SystemExit as e:  # argparse: a wrong option, or --help
        code = Exit.MISTAKE if e.code else Exit.GOOD
    except Exception:  # a bug: its traceback, then the line that must be last
        traceback.print_exc()
        code = Exit.FAILURE
    sys.stdout.flush()
    print(f"maskcls {verb}: exit code {int(code)} ({code.name.lower()})", file=sys.stderr)
    _end(code)


def _tell(verb: str, what: object) -> None:
    print(f"maskcls {verb}: {without_credentials(str(what))}", file=sys.stderr)


def _end(code: int) -> NoReturn:
    if code == Exit.INTERRUPTED:
        # Threads that wait for Ray would keep the process, and Ray's handlers would abort it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="maskcls", description=DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"maskcls {_version()}")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb in VERBS:
        own = commands.add_parser(
            verb.name, help=verb.help, description=verb.help, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=verb.epilog(words) if verb.name in words[:1] else None,
        )  # fmt: skip
        verb.add_arguments(own)
        own.set_defaults(run=verb.run)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("maskcls")
    except PackageNotFoundError:  # a job's working directory holds the source alone
        return "from source, not installed"


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
