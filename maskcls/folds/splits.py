"""The split by the settings, as the table of the run's folder."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.core.task import Task
from maskcls.folds.assign import (
    assign_folds,
    assign_holdout,
    deal,
    fold_table,
    refuse_fold_count,
)
from maskcls.folds.class_counts import ClassCounts
from maskcls.folds.given import given_folds
from maskcls.folds.greedy import assign_evenly, hold_out_evenly

IMAGE_STAMP = (
    "folds.scheme=image: images of one group are in training and validation, so this score does not"
    " measure performance on new groups; it shows the effect of that leak"
)


class Grouped(Protocol):
    """What is needed of a table of data: its task, a row for each image, a row for each group."""

    @property
    def task(self) -> Task:
        """Which classes and strata there are."""

    @property
    def images(self) -> pd.DataFrame:
        """Columns path, group (categorical; the code is the row in `groups`), label, maybe fold."""

    @property
    def groups(self) -> pd.DataFrame:
        """Columns group, and a code for each stratum."""


def draw_splits(table: Grouped, settings: Folds) -> pd.DataFrame:
    """folds.parquet: a row per group and repeat (per image and repeat for folds.scheme=image).

    Repeat r is drawn with the seed folds.seed + r. Raises UserError for more folds than groups, for
    a holdout that leaves training or validation empty, and for given folds that cannot be used.
    """
    drawn = []
    for repeat in range(settings.repeats):
        # Consecutive seeds, so that repeat 1 of a run is repeat 0 of one with the next seed.
        seed = settings.seed + repeat
        if settings.scheme == "image":
            drawn.append(_by_image(table, settings.count, seed, repeat))
        else:
            folds = _folds_of_groups(table, settings, seed)
            drawn.append(fold_table(table.groups, table.task, folds, repeat))
    return pd.concat(drawn, ignore_index=True)


def class_counts(table: Grouped) -> ClassCounts:
    """Images of each class in each group."""
    codes, labels = table.images["group"].cat.codes.to_numpy(), table.images["label"].to_numpy()
    return ClassCounts.of(codes, labels, len(table.groups), table.task.num_classes)


def _folds_of_groups(table: Grouped, settings: Folds, seed: int) -> npt.NDArray[np.int16]:
    groups, task = table.groups, table.task
    # Compared as text: the schema's choices are the config layer's to name.
    scheme: str = settings.scheme
    if scheme == "auto":
        scheme = "given" if "fold" in table.images else "kfold"
    if scheme == "kfold":
        if task.strata:
            return assign_folds(groups, task, settings.count, seed)
        refuse_fold_count(len(groups), settings.count)
        return assign_evenly(groups["group"], class_counts(table), settings.count, seed)
    if scheme == "holdout":
        if task.strata:
            folds = assign_holdout(groups, task, settings.share, seed)
        else:
            folds = hold_out_evenly(groups["group"], class_counts(table), settings.share, seed)
        if len(set(folds.tolist())) < 2:
            what = "group" if len(groups) == 1 else "groups"
            raise UserError(
                f"folds.share={settings.share:g}: of {len(groups)} {what} it holds out"
                f" {int((folds == 0).sum())}; training and validation need at least one each."
            )
        return folds
    if scheme == "given":
        return given_folds(table.images, len(groups), settings.repeats)
    if scheme == "all":
        return np.full(len(groups), -1, np.int16)
    raise ValueError(f"folds.scheme={scheme}")


def _by_image(table: Grouped, count: int, seed: int, repeat: int) -> pd.DataFrame:
    """Images dealt into folds, stratified on the class: for mask the original report's split."""
    images = table.images
    return pd.DataFrame(
        {
            "image": images["path"],
            "group": images["group"].astype("str"),
            "repeat": np.full(len(images), repeat, np.int16),
            "fold": deal(images["path"], images["label"].to_numpy(np.int64), count, seed),
        }
    )
