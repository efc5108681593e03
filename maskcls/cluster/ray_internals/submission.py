"""Submitting a job: which files Ray uploads, and requests with a timeout."""

import inspect
import logging
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskcls.cluster.ray_internals import internal

UPLOADED = "Ray's walk of a working directory"
TIMEOUTS = "timeouts of Ray's job client"

_LEFT_OUT = {".git", ".venv", "venv", "__pycache__"}  # Ray 2.60's default


def uploaded_files(folder: Path, logger: logging.Logger) -> dict[str, int]:
    """The files that Ray uploads of a working directory: size of each [bytes], by its path within.

    By Ray's own rules: without .git, environments, __pycache__ and what .gitignore and .rayignore name.
    Fallback: by git's rules, which differ in rare cases; without git, or outside a checkout, nothing is
    ignored, and the result may list more than Ray uploads. Raises OSError for what cannot be read.
    """
    folder = folder.absolute()
    found = internal(UPLOADED, lambda: _by_ray(folder, logger))
    return _by_git(folder) if found is None else found


def _by_ray(folder: Path, logger: logging.Logger) -> dict[str, int]:
    from ray._private import ray_constants
    from ray._private.runtime_env import packaging

    found: dict[str, int] = {}

    def note(path: Path) -> None:
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.stat().st_size

    left_out = packaging._get_excludes(folder, ray_constants.get_runtime_env_default_excludes())
    use_gitignore = os.environ.get(ray_constants.RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    packaging._dir_travel(folder, [left_out], note, include_gitignore=use_gitignore, logger=logger)
    return found


def _by_git(folder: Path) -> dict[str, int]:
    everything = dict(_walk(folder))
    ignored: set[str] = set()
    for name in (".gitignore", ".rayignore"):
        if name == ".rayignore" or os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE") != "1":
            ignored |= _ignored(folder, name)
    return {name: size for name, size in everything.items() if name not in ignored}


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    # os.walk skips folders that cannot be read; the list must not be incomplete without an error.
    def fail(error: OSError) -> None:
        raise error

    for top, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for path in (Path(top, name) for name in files):
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.stat().st_size


def _ignored(folder: Path, ignore_file: str) -> set[str]:
    """What files of this name ignore; tracked or not, since Ray does not read git's index."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--ignored"]
    try:
        done = subprocess.run(  # noqa: S603
            [*command, f"--exclude-per-directory={ignore_file}"],
            cwd=folder, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return set()
    return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}


@dataclass(frozen=True)
class Limits:
    """How long a request may take [s]."""

    connect: float
    answer: float
    upload: float


def job_client(url: str, limits: Limits) -> Any:
    """Ray's job client with a timeout for each of its requests; asks the cluster for its version.

    Fallback: no timeouts, so that submit waits for Ctrl-C when a cluster hangs.
    """
    from ray.job_submission import JobSubmissionClient

    limited = internal(TIMEOUTS, lambda: _with_timeouts(JobSubmissionClient, limits))
    return (limited or JobSubmissionClient)(url)


def _with_timeouts(base: Any, limits: Limits) -> Any:
    # Checked here, since a subclass of a changed class would only fail at the first request.
    parameters = inspect.signature(base._do_request).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD or p.name == "timeout" for p in parameters):
        raise TypeError("_do_request takes no timeout")

    class Client(base):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            # For `requests`, sending a body counts as connecting, so an upload needs longer for both.
            upload, rest = (limits.upload, limits.upload), (limits.connect, limits.answer)
            timeout = upload if method == "PUT" else rest
            return super()._do_request(method, endpoint, timeout=timeout, **options)

    return Client
