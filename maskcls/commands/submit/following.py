"""A job's log until its end, across lost connections, and the exit code in its last line."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from maskcls.commands.submit.address import last_line
from maskcls.commands.submit.source import Argument
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import without_credentials
from maskcls.store.folder import Folder

_SILENCE_S = 300.0  # a log without output for this time is reopened: the connection may be dead
_AGAIN_S = 3.0


async def follow(client: Any, job_id: str, log: "Log") -> Any:
    """Pass the log on until the job has ended; returns Ray's information about the job."""
    while True:
        # Each connection gets the log from its start.
        log.rewind()
        async for text in _tail(client, job_id):
            log.take(text)
        # In a thread, since Ray's client blocks.
        info = await asyncio.to_thread(client.get_job_info, job_id)
        if log.exit_code is None:  # the connection broke, or the last lines came after it closed
            whole = ""
            # The job's machine may be gone, and the log with it; the status is on the head.
            with contextlib.suppress(OSError, RuntimeError):
                whole = await asyncio.to_thread(client.get_job_logs, job_id)
            log.rewind()
            log.take(whole)
        # Asked after the log has been read, so that no line of an ended job is missed.
        if info.status.is_terminal():
            return info
        await asyncio.sleep(_AGAIN_S)


async def _tail(client: Any, job_id: str) -> AsyncIterator[str]:
    """The log from its start, until it ends, its connection breaks, or it falls silent."""
    async with contextlib.aclosing(client.tail_job_logs(job_id)) as texts:
        try:
            while True:
                async with asyncio.timeout(_SILENCE_S):
                    text = await anext(texts)
                yield text
        except Exception:  # the end, or a broken connection: the status, requested next, decides
            return


class Log:
    """A job's log as it arrives: passes each line on once, and keeps the last exit code in it.

    The log may be read from its start again (`rewind`), as after a lost connection.
    """

    def __init__(self, job: str, show: Callable[[str], None]) -> None:
        self._ending = re.compile(rf"maskcls {re.escape(job)}: exit code (\d+) \(\w+\)")
        self._show = show
        self._at = 0  # position of the current reading [characters]
        self._seen = 0  # the furthest position of any reading
        self._rest = ""
        self.exit_code: int | None = None
        """The code in the last such line, None without one."""

    def rewind(self) -> None:
        """The next text is the log's beginning again."""
        self._at = 0

    def take(self, text: str) -> None:
        """The next part of the log, cut anywhere."""
        new = text[max(self._seen - self._at, 0) :]
        self._at += len(text)
        self._seen = max(self._seen, self._at)
        # A part may end within a line, which is kept until the rest arrives.
        *lines, self._rest = (self._rest + new).split("\n")
        for line in lines:
            self._pass_on(line)

    def close(self) -> None:
        """No more will come: the last line may lack its end."""
        rest, self._rest = self._rest, ""
        if rest:
            self._pass_on(rest)

    def _pass_on(self, line: str) -> None:
        if found := self._ending.fullmatch(line.strip()):
            self.exit_code = int(found[1])
        self._show(line)


def ending(job_id: str, status: str, message: str | None, logged: int | None) -> Exit:
    """The command's exit code. status, message: Ray's. logged: the code in the log's last line.

    Raises RunFailed when the log has no exit code, or one that Ray's status contradicts.
    """
    codes = {int(code): code for code in Exit}
    # The log's code is preferred, as Ray knows only success and failure. A success that Ray does not
    # confirm is not believed: the job may have been stopped after its last line.
    if logged is not None and not (logged == Exit.GOOD and status != "SUCCEEDED"):
        return codes.get(logged, Exit.FAILURE)
    # Without the log's last lines, which Ray repeats here: they have just been shown.
    reason = " ".join((message or "").partition(", last available logs")[0].split())[:400]
    raise RunFailed(
        f"{job_id} ended as {status.lower()} and its log has no exit code"
        + (f": {reason}" if reason else ".")
    )


RUN_FILES = (
    "metrics.json", "config.json", "record.json", "folds.parquet", "oof.parquet", "eval.parquet",
)  # fmt: skip
SEARCH_FILES = ("best.toml", "search.json", "trials.json", "search.html")


def results(job: str, places: Sequence[Argument]) -> list[tuple[str, tuple[str, ...]]]:
    """Locations of a job's results: a folder with the names of files in it, or a file without names."""
    given = {place.name: place.value for place in places}
    found: list[tuple[str | None, tuple[str, ...]]] = []
    if job in ("ensemble", "predict", "pipeline"):
        found.append((given.get("--out"), ()))
    if job in ("train", "pipeline"):
        found.append((given.get("--run"), RUN_FILES))
    if job == "tune":
        found.append((given.get("--run"), SEARCH_FILES))
    return [(location, names) for location, names in found if location]


def fetch(job: str, places: Sequence[Argument], target: Folder) -> tuple[list[str], list[str]]:
    """Copy a job's results into a local folder; existing files are not replaced.

    Returns the names of the files copied, and a sentence for each result that was not.
    """
    fetched: list[str] = []
    missing: list[str] = []
    for location, names in results(job, places):
        try:
            if names:
                folder = Folder.at(location)
            else:
                folder, name = Folder.of_file(location)
                names = (name, f"{name}.provenance.json")
            _copy(folder, names, target, fetched)
        # Reported, not raised: the job succeeded, and the other results may be reachable. pyarrow raises
        # OSError for a store that does not answer.
        except (UserError, OSError) as e:
            text = str(e) if isinstance(e, UserError) else f"{location}: {last_line(str(e))}."
            missing.append(without_credentials(text))
    return fetched, missing


def _copy(folder: Folder, names: Sequence[str], target: Folder, fetched: list[str]) -> None:
    """Copy the existing files; UserError when the first, which always exists, is not reachable."""
    if not folder.exists(names[0]):
        raise UserError(
            f"{folder}/{names[0]}: not reachable from this machine; fetch it from one that reaches it."
        )
    for name in names:
        if not folder.exists(name):
            continue
        # Two results may have a file of the same name.
        if target.exists(name):
            raise UserError(f"{target}/{name}: already exists; copy {folder}/{name} by hand.")
        target.fill_file(name, partial(_pour, folder, name))
        fetched.append(name)


def _pour(folder: Folder, name: str, path: Path) -> None:
    with path.open("wb") as file:
        for piece in folder.read_chunks(name):
            file.write(piece)
