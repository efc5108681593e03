"""Before anything starts: read and check all inputs of a run, then write its first files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from maskcls.config.schema import Config
from maskcls.core.progress import Progress
from maskcls.folds.assign import small_groups
from maskcls.folds.splits import IMAGE_STAMP, draw_splits
from maskcls.runs import identity
from maskcls.runs.dataset import DataSet, read_data_set
from maskcls.runs.inputs import Inputs, read_inputs
from maskcls.runs.preflight import Preflight
from maskcls.runs.settings import with_absolute_paths
from maskcls.store.folder import Folder
from maskcls.store.places import cache_root
from maskcls.store.record import Described, Record
from maskcls.store.run import (
    EVAL_TABLE,
    EXTRA_TABLE,
    FOLDS,
    PSEUDO,
    TABLE,
    Network,
    Run,
    refuse_other_content,
)
from maskcls.store.tables import write_table


@dataclass(frozen=True)
class Prepared:
    """All that was read and checked.

    folds: the expected folds.parquet. network: from the preflight, or from the run's first start.
    """

    data: Folder
    run: Run
    config: Config
    data_set: DataSet
    folds: pd.DataFrame
    inputs: Inputs
    network: Network
    cache: Path

    def describe(self) -> Described:
        """What the record contains about the data and the other training inputs."""
        return self.data_set.describe(self.data.shown) | self.inputs.described


def prepare(
    data: str, run: str, config: Config, progress: Progress, marker: str | None = None
) -> Prepared:
    """Read and check everything, and warn about findings; writes nothing.

    marker: a file by which the command recognises a folder that it may resume; None for a run's own.
    Raises UserError for errors in data, settings or folder.
    """
    data_folder, mine = Folder.at(data), Run.at(run)
    # First, as it is recorded in the run: the same command may be repeated from another folder.
    config = with_absolute_paths(config)
    refuse_other_content(mine.folder, mine.folder.exists(marker) if marker else mine.exists)
    # A run that exists needs no preflight: its network was built before, and the weights of the hub may
    # be out of reach now although the checkpoints have them.
    network = mine.network()
    preflight = Preflight(config) if network is None else None
    try:
        cache = cache_root(config.cluster.cache_dir)
        data_set = read_data_set(data_folder, cache)
        folds = draw_splits(data_set.table, config.folds)
        inputs = read_inputs(config, data_set, folds, cache)
        _report(data_set, config, inputs, progress)
        if network is None:
            assert preflight is not None
            # Waited for last: the process has worked while the data was read.
            network, notes = preflight.answer()
            for note in notes:
                progress.say(note)
    finally:
        # An error in the data must not leave a process behind that downloads weights.
        if preflight:
            preflight.cancel()
    return Prepared(data_folder, mine, config, data_set, folds, inputs, network, cache)


def _report(data_set: DataSet, config: Config, inputs: Inputs, progress: Progress) -> None:
    for finding in data_set.table.findings:
        progress.warn(f"{finding.where}: {finding.text}")
    if config.folds.scheme == "kfold":
        for sentence in small_groups(data_set.table.people, config.folds.count):
            progress.warn(sentence)
    if config.folds.scheme == "image":
        progress.warn(IMAGE_STAMP)
    for note in inputs.notes:
        progress.say(note)


def write_first_files(prepared: Prepared) -> Record:
    """Refuse what does not belong to the run, then write its first files; the lease must be held.

    Returns the run's record, of an earlier start or a new one. Raises UserError with the difference when
    the run was started with other settings, data, weights or folds.
    """
    run, described = prepared.run, prepared.describe()
    run.refuse_other_content()  # again, now that no other command works on it
    # Only under the lease: temporary files of a command that still writes look the same.
    run.folder.sweep()
    if run.exists:
        identity.refuse_other_settings(run, prepared.config)
    if (network := run.network()) is not None:
        identity.refuse_other_weights(run.folder, network)
    found = run.record()
    if found is not None:
        identity.refuse_other_data(run, found.data, described)
    record = found or Record.new(described)
    if run.is_prepared:
        identity.refuse_other_folds(run, prepared.folds)
        return record
    run.write_config(prepared.config)
    run.write_network(prepared.network)
    _write_tables(prepared)
    run.write_record(record)
    # Last: a run that has its folds has all of its first files. After a kill before this line, the next
    # start writes them again.
    write_table(run.folder, FOLDS, prepared.folds)
    return record


def _write_tables(prepared: Prepared) -> None:
    folder, inputs = prepared.run.folder, prepared.inputs
    write_table(folder, TABLE, _table_of(prepared.data_set, inputs))
    if inputs.extra is not None:
        write_table(folder, EXTRA_TABLE, inputs.extra)
    if inputs.pseudo is not None:
        write_table(folder, PSEUDO, inputs.pseudo)
    eval_images = prepared.data_set.table.eval_images
    if eval_images is not None:
        write_table(folder, EVAL_TABLE, eval_images[["ImageID", "path"]])


def _table_of(data_set: DataSet, inputs: Inputs) -> pa.Table:
    images = data_set.table.images
    columns: dict[str, object] = {"path": pa.array(images["path"], pa.string())}
    for name in ("person", "shot"):
        # Through the categories: a Python string for each row would take more memory than the table.
        names = pa.array(images[name].cat.categories, pa.string())
        columns[name] = names.take(pa.array(images[name].cat.codes.to_numpy()))
    for name in ("mask", "gender", "age", "age_group", "label"):
        columns[name] = images[name].to_numpy()
    # Beside the official label, by which a row is validated.
    columns["train_label"] = inputs.train.classes.astype(np.int8)
    columns["train_age"] = inputs.train.ages.astype(np.int16)
    return pa.table(columns)
