"""From the command line to text and exit code. Each verb imports what it needs only when it runs."""

import argparse
import contextlib
import errno
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from maskcls.cli.streams import open_streams, restart_if_unfit
from maskcls.cli.verbs import VERBS
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import without_credentials
from maskcls.core.processes import leave_current_folder_out
from maskcls.store.outputs import is_stdout
from maskcls.store.uris import refuse_credentials

DESCRIPTION = (
    "Trains k-fold image classifiers on Ray: from a folder of images to an ensemble submission"
    " with a score one can believe."
)
EXIT_CODES = (
    "Exit codes: 0 good, 1 failure, 2 a mistake in the input (one sentence says which; nothing started),"
    " 3 done but degraded (a message names what is missing), 130 interrupted (the same command resumes)."
)
# What a write to stdout fails with: its reader is gone, the disk or quota is full, the disk is broken.
_STREAM_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)
_RESUMES = ("demo", "train", "tune", "study", "pipeline")
_WITH_RAY = ("demo", "train", "lr-find", "tune", "study", "pipeline", "predict")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code. argv: without the program's name."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        # Before argparse, whose messages repeat what they do not understand.
        for word in words:
            refuse_credentials(word)
        args = _parser(words).parse_args(_joined(words))
    except UserError as e:  # also help for a preset that does not exist
        _report("", e)
        return Exit.MISTAKE
    # Libraries log to stderr: stdout has the result only.
    logging.basicConfig(format="%(name)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    # SIGTERM as Ctrl-C: batch systems and `ray job stop` send it, and folds should save a checkpoint.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _require_start(args.verb)
        with _results_aside(getattr(args, "out", None)):
            code: int = args.run(args, ["maskcls", *words])
    except UserError as e:
        _report(args.verb, e)
        return Exit.MISTAKE
    except RunFailed as e:
        _report(args.verb, e)
        return Exit.FAILURE
    except KeyboardInterrupt:
        _report(args.verb, _interrupted(args.verb))
        return Exit.INTERRUPTED
    return code


def entry() -> NoReturn:
    """The console command: main, then the end of the process."""
    # In this order: a restart must not lose the changes that follow it.
    restart_if_unfit()
    leave_current_folder_out()
    open_streams()
    try:
        code = main()
        # Here, where an error is still reported: Python's own flush at exit only prints "ignored".
        sys.stdout.flush()
    except OSError as e:
        # Errors of files have become sentences already, or are bugs and need their traceback.
        if e.filename is not None or e.errno not in _STREAM_ERRORS:
            raise
        if not isinstance(e, BrokenPipeError):  # a reader such as head has seen enough
            _report("", f"the result cannot be printed to stdout: {e.strerror}.")
        # What is still in the buffer would fail again, when Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.FAILURE
    _end(code)


def job(verb: str) -> NoReturn:
    """Entry point of `python -m ray_jobs.VERB`: the verb's command line, as a Ray job.

    The last log line repeats the exit code, since Ray reports every failure as 1. Modules are
    imported from the job's folder, the current one, which holds the source.
    """
    restart_if_unfit()
    open_streams()
    try:
        code = Exit(main([verb, *sys.argv[1:]]))
    except SystemExit as e:  # argparse: a wrong option, or --help
        code = Exit.MISTAKE if e.code else Exit.GOOD
    except Exception:  # a bug: the traceback comes before the line that must be the last
        traceback.print_exc()
        code = Exit.FAILURE
    sys.stdout.flush()
    print(f"maskcls {verb}: exit code {int(code)} ({code.name.lower()})", file=sys.stderr)
    _end(code)


def _require_start(verb: str) -> None:
    """Raise UserError or RunFailed now for what would fail after minutes of work."""
    try:
        Path.cwd()
    except OSError as e:
        # Ray and subprocesses fail in it with messages that name neither the folder nor the cause.
        raise UserError("the current folder no longer exists; change to one that does.") from e
    if verb in _WITH_RAY:
        # Imported here: status and score should not wait for the cluster layer.
        from maskcls.cluster.requirements import require_start

        require_start()


def _results_aside(out: str | None) -> contextlib.AbstractContextManager[object]:
    """Print to stderr what goes to stdout, where the file that the command writes is stdout."""
    # Otherwise messages would be lines of the CSV that is written there.
    if out is not None and is_stdout(out):
        return contextlib.redirect_stdout(sys.stderr)
    return contextlib.nullcontext()


def _report(verb: str, what: object) -> None:
    text = f"maskcls {verb}".rstrip() + f": {without_credentials(str(what))}"
    # Credentials again, since exceptions of libraries repeat a URI.
    with contextlib.suppress(OSError, ValueError):  # stderr is closed; the exit code remains
        print(text, file=sys.stderr, flush=True)


def _interrupted(verb: str) -> str:
    if verb in _RESUMES:
        return "interrupted; the same command resumes from the last checkpoints."
    return "interrupted; run the same command again."


def _end(code: int) -> NoReturn:
    if code == Exit.INTERRUPTED:
        # An ordinary exit would wait for threads that wait for Ray, and run Ray's exit handlers, which
        # abort the process.
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
            # Only for the verb in use: the settings are read from source files.
            epilog=verb.epilog(words) if verb.name in words[:1] else None,
        )  # fmt: skip
        verb.add_arguments(own)
        own.set_defaults(run=verb.run)
    return parser


def _joined(words: Sequence[str]) -> list[str]:
    """--sort -created as one word: argparse would take a value with a minus for an option."""
    found: list[str] = []
    for word in words:
        if found and found[-1] == "--sort" and re.match(r"-[a-z]", word):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("maskcls")
    except PackageNotFoundError:  # a job's working folder has the source only
        return "from source, not installed"


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
