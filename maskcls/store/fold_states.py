"""How far the folds of a run are, read from their folders; anybody may look, nothing is written.

What a worker tells (progress.json) may be missing, half a second old, or of a worker that is gone:
readers of this module see what is there and decide by its time.
"""

import json
from datetime import UTC, datetime
from typing import Any

from maskcls.core.errors import UserError
from maskcls.core.progress import FoldState
from maskcls.store import run_files as files
from maskcls.store.paths import Folder


def read_progress(run: Folder, fold: int) -> dict[str, Any]:
    """What the fold's worker told last; {} when it told nothing yet, or the storage is away."""
    try:
        told: dict[str, Any] = files.fold_folder(run, fold).read_json("progress.json")
    except (OSError, ValueError, UserError):
        return {}
    return told


def read_history(run: Folder, fold: int) -> list[dict[str, Any]]:
    """Lines of the finished epochs; [] when there is none yet, or the storage is away."""
    try:
        text = files.fold_folder(run, fold).read_text("history.jsonl")
        return [json.loads(line) for line in text.splitlines()]
    except (OSError, ValueError, UserError):
        return []


def show(told: dict[str, Any], state: FoldState) -> None:
    """Put what a worker told into the state of its fold."""
    state.phase, state.note = told["phase"], ""
    state.epoch, state.step = told.get("epoch", 0), told.get("step", 0)
    state.steps = told.get("steps", 0)
    state.images_per_s, state.left_s = told.get("images_per_s"), told.get("left_s")


def read_state(run: Folder, fold: int, epochs: int, told: dict[str, Any]) -> FoldState:
    """The state of a fold as its folder tells it, whoever works on it, if anybody does.

    told: of read_progress; {} when nobody has told anything yet.
    """
    state = FoldState(fold, epochs)
    if told:
        show(told, state)
        state.attempt = told.get("attempt", 1)
    state.history = read_history(run, fold)
    if files.read_done(run, fold) is not None:
        state.phase, state.left_s = "done", None
    return state


def seconds_since(told: dict[str, Any]) -> float | None:
    """How long ago a worker told this, by the clocks of both machines [s]; None when it is not said."""
    if "time" not in told:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(told["time"])).total_seconds()


def is_before(told: dict[str, Any], started: str) -> bool:
    """A worker told this before a command started, by the clocks of both machines.

    started: in ISO 8601, as records have it.
    """
    return "time" in told and datetime.fromisoformat(told["time"]) < datetime.fromisoformat(started)
