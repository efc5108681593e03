"""Data that was read once, for the runs of a search or study, which differ in their settings only."""

import json
from dataclasses import replace

from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.runs.inputs import read_inputs, refuse_empty_sides
from maskcls.runs.preflight import Preflight
from maskcls.runs.prepare import Prepared
from maskcls.runs.settings import with_absolute_paths
from maskcls.runs.task_settings import settled
from maskcls.sampling.training_rows import training_task
from maskcls.store.run import Network, Run

_NETWORK = ("model", "head", "image", "loss")
"""Sections on which the network depends; runs that agree in them share one preflight."""


class SharedData:
    """prepared: of the settings that all the runs change."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._networks = {_network_key(prepared.config): prepared.network}

    def for_run(self, run: Run, config: Config) -> Prepared:
        """What a run of these settings is started with; writes nothing.

        Raises UserError for invalid settings, an error that is_transient when that cannot be determined
        now.
        """
        common = self._prepared
        config = settled(with_absolute_paths(config), common.data_set.table)
        # Only what the run's settings change is read or checked again.
        inputs = common.inputs
        if config.rows != common.config.rows:
            inputs = read_inputs(config, common.data_set, common.folds, common.cache)
        elif config.augment != common.config.augment:
            refuse_empty_sides(config, common.data_set, common.folds, inputs)
        network = self._network_of(config, run)
        return replace(common, run=run, config=config, inputs=inputs, network=network)

    def _network_of(self, config: Config, run: Run) -> Network:
        key = _network_key(config)
        if key not in self._networks:
            # From the run if an earlier start has prepared it.
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
