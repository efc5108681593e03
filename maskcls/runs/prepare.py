"""Before anything starts: read and check all inputs of a run, then write its first files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.progress import Progress
from maskcls.core.task import Task
from maskcls.data.find_task import find_task
from maskcls.data.sample import refuse_unanswerable, sample_for
from maskcls.data.table import Table, read_data
from maskcls.folds.equal_files import EqualFiles
from maskcls.folds.names import group_digests
from maskcls.folds.remarks import fold_remarks
from maskcls.runs import identity
from maskcls.runs.dataset import DataSet, fingerprinted
from maskcls.runs.equal_images import equal_images, splits_of, with_equal_joined
from maskcls.runs.inputs import Inputs, read_inputs
from maskcls.runs.preflight import Preflight
from maskcls.runs.settings import absolute_task, with_absolute_paths
from maskcls.runs.task_settings import note_on_folds, settled
from maskcls.sampling.training_rows import training_task
from maskcls.store.folder import Folder
from maskcls.store.places import cache_root
from maskcls.store.record import Described, Record
from maskcls.store.results import Sample
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
    sample: the sample submission, where the task names one.
    """

    data: Folder
    run: Run
    config: Config
    data_set: DataSet
    folds: pd.DataFrame
    inputs: Inputs
    network: Network
    sample: Sample | None
    cache: Path

    @property
    def task(self) -> Task:
        """What is learned."""
        return self.data_set.table.task

    def describe(self) -> Described:
        """What the record contains about the data and the other training inputs."""
        return self.data_set.describe(self.data.shown) | self.inputs.described


def prepare(
    data: str,
    run: str,
    config: Config,
    progress: Progress,
    task: str | None = None,
    marker: str | None = None,
    by_group: bool | None = None,
) -> Prepared:
    """Read and check everything, and warn about findings; writes nothing.

    task: a task file or a built-in task's name; None for the one that the data implies. marker: a file
    by which the command recognises a folder that it may resume; None for a run's own. by_group: whether
    the run's answers will be by group, where the command goes on to write them.
    Raises UserError for errors in data, settings or folder.
    """
    data_folder, mine = Folder.at(data), Run.at(run)
    # First, as it is recorded in the run: the same command may be repeated from another folder.
    config = with_absolute_paths(config)
    refuse_other_content(mine.folder, mine.folder.exists(marker) if marker else mine.exists)
    cache = cache_root(config.cluster.cache_dir)
    file = find_task(data_folder, absolute_task(task))
    progress.say(f"{data_folder.shown}: {file.how}")
    table = read_data(data_folder, file)
    asked, config = config, settled(config, table)
    if note := note_on_folds(asked, config):
        progress.warn(note)
    sample = sample_for(data_folder, table)
    if by_group is not None:
        _refuse_unanswerable(table, sample, by_group)
    # A run that exists needs no preflight: its network was built before, and the weights of the hub may
    # be out of reach now although the checkpoints have them.
    network = mine.network()
    # After the table, which says how many classes there are; while the images are fingerprinted.
    preflight = (
        Preflight(config, training_task(table.task, config.rows)) if network is None else None
    )
    try:
        data_set = fingerprinted(data_folder, table, cache)
        equal = equal_images(table, data_set.train.digests)
        # For the draw alone: everything else has the groups under their own names.
        scheme = config.folds.scheme
        joined = with_equal_joined(table, equal, scheme == "given")
        if scheme == "image":  # which divides groups, joined or not
            equal = replace(equal, num_joined=0)
        folds = splits_of(table, joined, config.folds)
        inputs = read_inputs(config, data_set, folds, cache)
        _report(joined, config, inputs, equal, progress)
        del joined
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
    return Prepared(data_folder, mine, config, data_set, folds, inputs, network, sample, cache)


def _refuse_unanswerable(table: Table, sample: Sample | None, by_group: bool) -> None:
    evals = table.eval_images
    if evals is None or not evals["found"].any():
        raise UserError(
            f"{table.task.places.eval or 'DATA'}: no image to predict in it, so there is nothing to"
            " submit; add the images, or use train."
        )
    refuse_unanswerable(sample, evals["image"], evals.get("group"), by_group)


def _report(
    table: Table, config: Config, inputs: Inputs, equal: EqualFiles, progress: Progress
) -> None:
    for finding in table.findings:
        progress.warn(f"{finding.where}: {finding.text}")
    for sentence in [*equal.sentences(), *fold_remarks(table, config.folds)]:
        progress.warn(sentence)
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
        identity.refuse_other_task(run, prepared.task)
        identity.refuse_other_folds(run, prepared.folds)
        # The rows of the answers may change between starts: they are no input of training.
        if prepared.sample is not None:
            run.write_sample(prepared.sample)
        return record
    # The task first: with its settings the folder is a run, and whoever opens one needs both.
    run.write_task(prepared.task)
    run.write_config(prepared.config)
    if prepared.sample is not None:
        run.write_sample(prepared.sample)
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
        write_table(
            folder,
            EVAL_TABLE,
            eval_images[[n for n in ("image", "path", "group") if n in eval_images]],
        )


def _table_of(data_set: DataSet, inputs: Inputs) -> pa.Table:
    images = data_set.table.images
    columns: dict[str, object] = {"path": pa.array(images["path"], pa.string())}
    for name in ("group", "shot"):
        if name in images:
            # Through the categories: a Python string for each row would take more memory than the table.
            names = pa.array(images[name].cat.categories, pa.string())
            columns[name] = names.take(pa.array(images[name].cat.codes.to_numpy()))
    columns["group_digest"] = _digests(data_set.table)
    columns["label"] = images["label"].to_numpy()
    # Beside the official label, by which a row is validated.
    columns["train_label"] = inputs.train.classes.astype(np.int16)
    if "age" in images:
        columns["age"] = images["age"].to_numpy()
        columns["train_age"] = inputs.train.ages.astype(np.int16)
    return pa.table(columns)


def _digests(table: Table) -> npt.NDArray[np.uint64]:
    """Digest of each row's group, uint64 [N], which does not depend on the codes of groups: made as the
    data was read, of the mask task from the path, and without groups of the path."""
    images = table.images
    if "shot" in images:
        codes, names = pd.factorize(images["path"].str.partition("/")[0])
        of_folder: npt.NDArray[np.uint64] = group_digests(pd.Index(names))[codes]
        return of_folder
    if table.task.has_groups:
        return images["group_digest"].to_numpy(np.uint64)
    return group_digests(images["path"])
