"""Folders outside of runs: the cache of decoded pixels, and what belongs to this user alone.

The cache may be shared by the users of a machine (cluster.cache_dir); the token of local dashboards
lets its reader run code as its owner, so it is in the user's own folder.
"""

import os
from pathlib import Path

from maskcls.core.errors import UserError
from maskcls.store.uris import Uri, is_uri

_TOKEN = "ray-token"  # noqa: S105  # a file's name


def cache_root(setting: str) -> Path:
    """Folder for everything that is kept between runs; setting is cluster.cache_dir.

    "auto" is MASKCLS_CACHE, else ~/.cache/maskcls. Raises UserError when there is no home folder, and
    when the folder is missing and cannot be made.
    """
    named = os.environ.get("MASKCLS_CACHE") or "~/.cache/maskcls"
    name = "cluster.cache_dir" if setting != "auto" else "cache folder"
    text = setting if setting != "auto" else named
    if is_uri(text):
        raise UserError(f"{name}: {Uri.parse(text).shown}: pixels are mapped into memory from a"
                        " local disk; name a local folder.")  # fmt: skip
    try:
        root = Path(text).expanduser().absolute()
    except RuntimeError as e:  # what pathlib raises for ~ without a home folder
        raise _no_home(text) from e
    # Checked before the work: the cache is filled on other nodes, whose errors arrive much later.
    if why := _why_unmakable(root):
        raise UserError(
            f"{root}: {why}; set MASKCLS_CACHE or cluster.cache_dir to a folder that is yours."
        )
    return root


def require_home() -> None:
    """UserError when this user has no home folder: Ray's and torch's threads would fail with it."""
    try:
        Path.home()
    except RuntimeError as e:
        raise _no_home("HOME") from e


def token_path(cache: Path) -> Path:
    """The path of this user's token for local dashboards, whether it exists yet or not.

    In $XDG_STATE_HOME/maskcls or ~/.local/state/maskcls; where that cannot be written or is another
    user's (as after sudo), in a folder of the user's own below the cache. Raises nothing.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG standard: a relative path must be ignored.
    base = Path(state) if state.startswith("/") else _home_state()
    if base is not None:
        path = base / "maskcls" / _TOKEN
        # The folder may not exist yet; what counts is where it would be created. After sudo, HOME may
        # still be the user's: root can write there, but the user could not replace the file later.
        there = nearest(path)
        if os.access(there, os.W_OK) and there.stat().st_uid == os.geteuid():
            return path
    # Per user: the cache may be shared, and another user's token cannot be read.
    return cache / f"user-{os.geteuid()}" / _TOKEN


def read_token(cache_dir: str) -> str | None:
    """This user's token for local dashboards, None when none was made; cache_dir: the setting."""
    try:
        return token_path(cache_root(cache_dir)).read_text("utf-8").strip()
    except (OSError, UserError):
        return None


def nearest(folder: Path) -> Path:
    """The folder itself or its nearest parent that exists."""
    return next((p for p in (folder, *folder.parents) if os.path.lexists(p)), Path("/"))


def _home_state() -> Path | None:
    try:
        return Path("~/.local/state").expanduser().absolute()
    except RuntimeError:
        return None


def _why_unmakable(folder: Path) -> str:
    """Why a missing folder cannot be created; "" when it can, or exists."""
    there = nearest(folder)
    if there == folder and folder.is_dir():
        return ""  # a cache that is complete is only read, so it need not be writable
    if not there.is_dir():
        return f"{there} is not a folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written"


def _no_home(text: str) -> UserError:
    return UserError(
        f"{text}: user id {os.geteuid()} has no home folder (HOME is not set, and the system's list of"
        " users has no such id); set HOME to a folder that is yours, and MASKCLS_CACHE or"
        " cluster.cache_dir if decoded pixels should be elsewhere."
    )
