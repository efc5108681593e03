"""The run of each trial of a search: an ordinary one, made from what was read once for all of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from maskcls.config.layers import Value
from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.runs.inputs import read_inputs, refuse_empty_sides
from maskcls.runs.preflight import Preflight
from maskcls.runs.run import Ready, RunWork
from maskcls.runs.settings import with_absolute_paths
from maskcls.store.lease import Lease
from maskcls.store.paths import Folder
from maskcls.tuning.space import config_of
from maskcls.tuning.trials import Trial, folder_of

_HUB_IS_AWAY = "cannot be had from the hub"
"""What the preflight says then (models/backbone.py); its answer is a sentence and no error."""
_NETWORK = ("model", "head", "image", "loss")
"""Sections on which the network depends; trials that agree in them need one check."""


class TrialRuns:
    """Makes the work on a trial's run; ready: of the search, base: the settings that trials change."""

    def __init__(
        self, ready: Ready, base: Mapping[str, Value], progress: Progress, lease: Lease
    ) -> None:
        self._ready, self._base, self._progress, self._lease = ready, base, progress, lease
        self._networks = {_network_key(ready.config): ready.network}
        self._warned: set[str] = set()

    def work_on(self, trial: Trial, *, quietly: bool) -> RunWork:
        """The work on a trial's run.

        quietly: say nothing of plan and pixels, which are the same for many trials.
        Raises UserError for settings that cannot be, RunFailed when that cannot be found out now.
        """
        ready, folder = self._ready, folder_of(self._ready.run, trial.number)
        config = with_absolute_paths(config_of(self._base, trial.settings))
        inputs = ready.inputs
        if config.rows != ready.config.rows:
            inputs = read_inputs(config, ready.data_set, ready.folds, ready.cache)
        elif config.augment != ready.config.augment:
            refuse_empty_sides(config, ready.data_set, ready.folds, inputs)
        network = self._network_of(config, folder)
        own = replace(ready, run=folder, config=config, inputs=inputs, network=network)
        return RunWork(
            own, _Quietly(self._progress, self._warned) if quietly else self._progress, self._lease
        )

    def _network_of(self, config: Config, folder: Folder) -> dict[str, Any]:
        key = _network_key(config)
        if key not in self._networks:
            there = folder.exists("network.json")
            self._networks[key] = folder.read_json("network.json") if there else _ask(config)
        return self._networks[key]


def _ask(config: Config) -> dict[str, Any]:
    try:
        return Preflight(config).answer()
    except UserError as e:
        if _HUB_IS_AWAY in str(e):
            raise RunFailed(str(e)) from e
        raise


def _network_key(config: Config) -> str:
    tree = to_json(config)
    known = {section: tree[section] for section in _NETWORK}
    return json.dumps(known | {"age_border": tree["rows"]["age_border"]}, sort_keys=True)


class _Quietly:
    """A Progress that hears counts, and each warning once for all trials."""

    def __init__(self, progress: Progress, warned: set[str]) -> None:
        self._progress, self._warned = progress, warned

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """See Progress."""
        if text not in self._warned:
            self._warned.add(text)
            self._progress.warn(text)

    @property
    def count(self) -> Callable[[str, int, int], None]:
        """See Progress."""
        return self._progress.count

    def folds(self, states: Sequence[Any]) -> None:
        """Nothing: trials have lines of their own."""
