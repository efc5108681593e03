"""Ray Tune: secrets stay out of its logs; the reason of a trial's failure is read from its files."""

import configparser
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maskcls.cluster.ray_internals import internal
from maskcls.store.uris import open_store

KEYS = "Tune's list of variables that it copies to trials"
ERRORS = "the file with a trial's error"

# Variables of the AWS SDKs, and their names in a shared credentials file.
_KEYS_OF_AWS = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_SECURITY_TOKEN": "aws_session_token",  # its old name
}


@contextlib.contextmanager
def without_aws_keys() -> Iterator[None]:
    """Keep AWS's keys out of the trials' runtime environments, which Ray logs and its dashboard shows.

    Tune copies them there from this process. The workers of a job have the keys of the job, others their
    own. Fallback: while Tune runs, this process, which needs its keys, reads them from a file.
    """
    if internal(KEYS, _remove_from_list):
        yield
    else:
        with _keys_in_file():
            yield


def _remove_from_list() -> bool:
    from ray.tune.execution import class_cache

    names = class_cache.ENV_VARS_TO_PROPAGATE
    names.difference_update({name for name in names if name.startswith("AWS_")})
    return True


@contextlib.contextmanager
def _keys_in_file() -> Iterator[None]:
    """Move AWS's keys from the environment to a file that only this user can read."""
    keys = {name: os.environ[name] for name in _KEYS_OF_AWS if os.environ.get(name)}
    if not keys:
        yield
        return
    # The current name of the token last, so that it wins over the old one.
    fields = {_KEYS_OF_AWS[name]: keys[name] for name in reversed(_KEYS_OF_AWS) if name in keys}
    content = configparser.RawConfigParser()
    for profile in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        content[os.environ.get(profile) or "default"] = fields
    before = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    with tempfile.NamedTemporaryFile("w", prefix="maskcls-") as file:  # mode 0600
        content.write(file)
        file.flush()
        # The file first: other threads may need the keys at any moment.
        _set({"AWS_SHARED_CREDENTIALS_FILE": file.name, **dict.fromkeys(keys)})
        try:
            yield
        finally:
            _set({**keys, "AWS_SHARED_CREDENTIALS_FILE": before})


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    open_store.cache_clear()  # its clients would still look for the keys in the old place


def last_error(trial: Any) -> str | None:
    """The last line that Tune recorded of a trial's last failure; None when there is none.

    Without this file there is no fallback: messages lack the line.
    """
    file = internal(ERRORS, lambda: trial.error_file)
    if file is None:
        return None
    try:
        lines = Path(file).read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return None
    return str(lines[-1]) if lines else None
