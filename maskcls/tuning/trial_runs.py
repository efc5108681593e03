"""The run of each trial of a search: an ordinary run, whose data is read once for all trials."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from maskcls.config.layers import Value
from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core.progress import Progress
from maskcls.runs.inputs import read_inputs, refuse_empty_sides
from maskcls.runs.preflight import Preflight
from maskcls.runs.prepare import Prepared
from maskcls.runs.run import RunContext, begin
from maskcls.runs.settings import with_absolute_paths
from maskcls.runs.task_settings import settled
from maskcls.sampling.training_rows import training_task
from maskcls.store.lease import Lease
from maskcls.store.run import Network, Run
from maskcls.tuning.space import config_of
from maskcls.tuning.trials import Trial, folder_of

_NETWORK = ("model", "head", "image", "loss")
"""Sections on which the network depends; trials that agree in them share one preflight."""


class TrialRuns:
    """Prepares the run of a trial; prepared: of the search, base: the settings that trials change."""

    def __init__(
        self, prepared: Prepared, base: Mapping[str, Value], progress: Progress, lease: Lease
    ) -> None:
        self._prepared, self._base, self._progress, self._lease = prepared, base, progress, lease
        self._networks = {_network_key(prepared.config): prepared.network}
        self._warned: set[str] = set()

    def begin(self, trial: Trial, *, quietly: bool) -> RunContext:
        """Write the first files of a trial's run, or resume it.

        quietly: without messages about plan and pixels, which are the same for many trials. Raises
        UserError for invalid settings, an error that is_transient when that cannot be determined now.
        """
        common, run = self._prepared, Run(folder_of(self._prepared.run.folder, trial.number))
        config = with_absolute_paths(config_of(self._base, trial.settings))
        config = settled(config, common.data_set.table)
        # Only what the trial's settings change is read or checked again.
        inputs = common.inputs
        if config.rows != common.config.rows:
            inputs = read_inputs(config, common.data_set, common.folds, common.cache)
        elif config.augment != common.config.augment:
            refuse_empty_sides(config, common.data_set, common.folds, inputs)
        network = self._network_of(config, run)
        own = replace(common, run=run, config=config, inputs=inputs, network=network)
        progress = _Quietly(self._progress, self._warned) if quietly else self._progress
        return begin(own, progress, self._lease.check)

    def _network_of(self, config: Config, run: Run) -> Network:
        key = _network_key(config)
        if key not in self._networks:
            # From the trial's run if an earlier start has prepared it.
            self._networks[key] = (
                run.network()
                or Preflight(config, training_task(self._prepared.task, config.rows)).answer()[0]
            )
        return self._networks[key]


def _network_key(config: Config) -> str:
    tree = to_json(config)
    # rows.age_border changes the classes that an age branch distinguishes.
    known = {section: tree[section] for section in _NETWORK}
    return json.dumps(known | {"age_border": tree["rows"]["age_border"]}, sort_keys=True)


class _Quietly:
    """A Progress that passes on counts, and each warning once for all trials."""

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
