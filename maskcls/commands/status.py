"""`maskcls status`: how far runs and searches are, from their own records, whoever works on them.

Where a Ray cluster is reachable, what it says of the workers stands beside it.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskcls.cluster.dashboard import address_of, is_loopback, look_at_workers, token_of
from maskcls.core.errors import UserError
from maskcls.core.progress import FoldState
from maskcls.store import run_files
from maskcls.store.fold_states import is_before, read_progress, read_state, seconds_since
from maskcls.store.paths import Folder
from maskcls.store.places import read_token
from maskcls.tuning.trials import Trial, ranked, read_trials

_TOLD = ("host", "node", "worker", "pid", "gpus", "gpu_idle")
_MARKS = (("search.json",), ("config.json", "record.json"))  # of a search, of a run
SILENT_S = 120.0
"""A fold that is at work but has told nothing for so long is shown as silent [s]."""


@dataclass(frozen=True)
class RunStatus:
    """A run's folds, and its out-of-fold macro F1 once all of them are done.

    workers: what is known of each fold's worker: host, node (Ray's name of it), pid, gpus, gpu_idle
    (share of the looks at which its GPU did nothing), silent_s, and, where Ray was reached, state and
    log. left_s: the longest time left of the folds at work [s]; folds that wait are not counted.
    exit_code: of the run's last command, None while it works or is not known.
    """

    run: str
    folds: tuple[FoldState, ...]
    workers: tuple[dict[str, Any], ...]
    macro_f1: float | None
    left_s: float | None
    exit_code: int | None

    @property
    def done(self) -> int:
        """Folds that are done."""
        return sum(state.phase == "done" for state in self.folds)

    @property
    def over(self) -> bool:
        """All folds are done, or the command has ended without."""
        return self.done == len(self.folds) or self.exit_code is not None


@dataclass(frozen=True)
class SearchStatus:
    """A search's trials, best first; seconds: spent so far; over: its last command has ended."""

    search: str
    trials: tuple[Trial, ...]
    seconds: float
    over: bool


def status(run: str, address: str | None = None) -> RunStatus | SearchStatus:
    """Look at the folder of a run or of a search; raises UserError when it is neither.

    address: see run_status.
    """
    folder = Folder.at(run)
    return search_status(folder) if folder.exists("search.json") else run_status(folder, address)


def runs_in(folder: Folder, warn: Callable[[str], None]) -> list[str]:
    """Locations of the runs and searches right in a folder, by name.

    warn: hears of those that may not be looked into; they are passed over.
    """
    found = []
    for inside in (folder.child(entry.name) for entry in folder.list() if not entry.is_file):
        try:
            if any(all(map(inside.exists, names)) for names in _MARKS):
                found.append(inside.location)
        except (OSError, UserError) as e:
            warn(f"{inside} is passed over: {e}")
    return found


def search_status(folder: Folder) -> SearchStatus:
    """Look at the folder of a search."""
    record = folder.read_json("search.json")
    over = bool(record["starts"]) and record["starts"][-1]["ended"] is not None
    return SearchStatus(folder.shown, tuple(ranked(read_trials(folder))), record["seconds"], over)


def run_status(folder: Folder, address: str | None = None) -> RunStatus:
    """Look at the folder of a run; raises UserError when it is none.

    address: of Ray's dashboard; otherwise RAY_API_SERVER_ADDRESS, or where the run says it is.
    """
    if not folder.exists("config.json"):
        raise UserError(
            f"{folder}: this is no run's folder; name one that maskcls train has written."
        )
    config = folder.read_json("config.json")
    epochs = int(config["train"]["epochs"])
    states, workers = [], []
    last = _last_start(folder)
    exit_code: int | None = last["exit_code"] if last.get("ended") else None
    for fold in range(run_files.num_folds(config)):
        told = read_progress(folder, fold)
        if last and exit_code is None and is_before(told, last["started"]):
            told = {}  # of an earlier command; this one has not begun the fold yet
        state, silent = read_state(folder, fold, epochs, told), seconds_since(told)
        if state.phase != "done" and exit_code is not None:
            state.phase, state.left_s = "stopped" if told else "waiting", None
        elif state.phase not in ("done", "waiting") and silent is not None and silent > SILENT_S:
            state.note = f"has told nothing for {silent:.0f} s; is the command still running?"
            state.left_s = None
        states.append(state)
        known = {name: told.get(name) for name in _TOLD}
        workers.append(known | {"silent_s": silent})
    _add_rays_side(folder, config["cluster"]["cache_dir"], workers, address)
    left = [s.left_s for s in states if s.left_s is not None]
    score = None
    if folder.exists("metrics.json"):
        oof = folder.read_json("metrics.json")["oof"]
        score = oof["macro_f1"] if oof else None
    return RunStatus(
        folder.shown, tuple(states), tuple(workers), score, max(left, default=None), exit_code
    )


def _add_rays_side(
    folder: Folder, cache_dir: str, workers: list[dict[str, Any]], told: str | None
) -> None:
    address, token = address_of(told), token_of()
    if address is None and (local := _dashboard_of(folder)) is not None:
        # That of a run's own local Ray is asked with its own token, which is no cluster's.
        address, token = local, read_token(cache_dir)
    if address is None:
        return
    found = look_at_workers(workers, address, token)
    for worker, side in zip(workers, found or (), strict=False):
        worker.update(side)


def _dashboard_of(folder: Folder) -> str | None:
    """The dashboard of the command that works on the run just now, if it is a local one's."""
    last = _last_start(folder)
    if not last or last["ended"] is not None or last["host"] != platform.node():
        return None
    found: str | None = last.get("dashboard")
    return found if found and is_loopback(found) else None


def _last_start(folder: Folder) -> dict[str, Any]:
    """What the record says of the last command on the run; {} when it says nothing."""
    if not folder.exists("record.json"):
        return {}
    starts = folder.read_json("record.json")["starts"]
    return dict(starts[-1]) if starts else {}
