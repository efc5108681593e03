"""record.json: where a run came from and which commands worked on it, so that runs can be compared."""

import hashlib
import importlib.metadata
import logging
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from maskcls.core.errors import Exit, UserError
from maskcls.core.names import without_credentials
from maskcls.core.plain import from_plain

_log = logging.getLogger(__name__)
FORMAT = 3
"""3: a task; 2: held-out logits of every epoch, attempts. Earlier runs are refused by name."""
_PACKAGES = (
    "maskcls", "ray", "torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "scikit-learn",
    "pillow", "simplejpeg", "safetensors",
)  # fmt: skip


def now() -> str:
    """The time in UTC, in whole seconds, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        # A checkout on PYTHONPATH, or a package built by hand: no reason not to train.
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


@dataclass(frozen=True)
class Machine:
    """What a command runs on; cores: of the whole machine, not of the container."""

    host: str
    platform: str
    processor: str
    cores: int | None
    memory_gib: float


def machine() -> Machine:
    """What the command runs on."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        socket.gethostname(),
        platform.platform(),
        platform.processor() or platform.machine(),  # the former is empty on most Linux systems
        os.cpu_count(),
        round(memory_bytes / 2**30, 1),
    )


def git_commit() -> str | None:
    """Commit of the checkout that the program runs from; None outside one.

    With changed files "-dirty-" and a digest of the changes follow: equal ones are of the same tracked
    code. Files that git does not track are not in it.
    """
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD").decode().strip()
        # Installed into a virtual environment inside the user's own repository, git would answer
        # with that repository's commit: only a tracked file is of a checkout of this program.
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        changes = _git(here, *_SAME_EVERYWHERE, "HEAD")
    # No git, no repository, or one of another owner: the record just lacks the commit.
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else commit


_SAME_EVERYWHERE = (
    "-c", "diff.relative=false", "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
    "--full-index", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--diff-algorithm=myers",
)  # fmt: skip
"""`git diff` whatever the user's own settings of it are, and however large the repository."""


def _git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(  # noqa: S603 (fixed words)
        ["git", "-C", str(folder), *words],  # noqa: S607 (the user's own git)
        capture_output=True, check=True,
        timeout=10,  # on a network file system, comparing all files may take minutes
    )  # fmt: skip
    return done.stdout


Described = dict[str, str | int | None]
"""Counts and fingerprints that say what data is; values are compared, never interpreted."""


@dataclass
class Start:
    """A command that worked on the run; ended and exit_code: None while it works, or was killed.

    command: what was typed, without credentials. dashboard: address of its own local Ray's.
    """

    command: list[str]
    started: str
    ended: str | None
    exit_code: int | None
    host: str
    pid: int
    python: str
    versions: dict[str, str]
    dashboard: str | None = None


@dataclass(frozen=True)
class Origin:
    """What a run's settings were derived from: a preset, and a TOML file on top of it if one was given.

    file: as it was typed; digest: the first digits of one of its content. differs: [there, here]
    of the settings that were then typed with another value, before the data has settled any of them.
    """

    preset: str
    file: str | None = None
    digest: str | None = None
    differs: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """In a word: report, or mine.toml@1a2b3c4d."""
        return self.preset if self.file is None else f"{self.file}@{self.digest}"


@dataclass
class Record:
    """record.json: where the run came from, and each command that worked on it.

    data: see Described. plan: where folds were placed at the first start (cluster/plan.py). origin:
    None where the command does not say, and in runs of earlier versions.
    """

    format: int
    created: str
    versions: dict[str, str]
    machine: Machine
    git_commit: str | None
    data: Described
    starts: list[Start] = field(default_factory=list)
    plan: Mapping[str, object] | None = None
    origin: Origin | None = None

    @classmethod
    def new(cls, data: Described) -> Self:
        """A run's first record; data: what it trains on, with its fingerprint."""
        return cls(FORMAT, now(), versions(), machine(), git_commit(), data)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> Self:
        """Read a record back; UserError for one of another version of the program."""
        # Before the fields, which another format may not even have.
        if values.get("format") != FORMAT:
            raise UserError(
                f"{where}: written by another version of maskcls (format {values.get('format')},"
                f" this one reads {FORMAT}); use that version, or start another run."
            )
        return from_plain(cls, values)

    def add_start(self, command: Sequence[str]) -> Start:
        """Add an entry for a command that starts; `ending` completes it."""
        start = Start(
            command=[without_credentials(word) for word in command],
            started=now(),
            ended=None,
            exit_code=None,
            host=socket.gethostname(),
            pid=os.getpid(),
            python=sys.executable,
            versions=versions(),
        )
        self.starts.append(start)
        return start

    @property
    def last_start(self) -> Start | None:
        """The last command on the run."""
        return self.starts[-1] if self.starts else None


@dataclass
class Ending:
    """How a command ends; a failure unless the command sets another exit code."""

    exit_code: Exit = Exit.FAILURE


@contextmanager
def ending(
    start: Start, write: Callable[[], None], may_write: Callable[[], bool] = lambda: True
) -> Iterator[Ending]:
    """Complete a start when the command ends, however it does, and write the record.

    may_write: whether the lease is held; else the record is another command's. The original exception
    is raised even if writing fails; without one, the failed write is the error.
    """

    def complete() -> None:
        start.ended, start.exit_code = now(), int(end.exit_code)
        if may_write():
            write()

    end = Ending()
    try:
        yield end
    except BaseException as e:  # Ctrl-C and SIGTERM too: the record should say how it ended
        kinds = {KeyboardInterrupt: Exit.INTERRUPTED, UserError: Exit.MISTAKE}
        end.exit_code = next((c for k, c in kinds.items() if isinstance(e, k)), Exit.FAILURE)
        try:
            complete()
        # The disk that made training fail is often the one that the record is on.
        except (OSError, UserError) as also:
            _log.warning("the record of this command's end cannot be written: %s", also)
        raise
    complete()
