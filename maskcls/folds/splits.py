"""The split by the settings, as the table of the run's folder."""

import numpy as np
import pandas as pd

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.data.table import Table
from maskcls.folds.assign import assign_folds, assign_holdout, deal, fold_table

IMAGE_STAMP = (
    "folds.scheme=image: images of one person are in training and validation, so this score does not"
    " measure performance on new people; it shows the effect of that leak"
)


def draw_splits(table: Table, settings: Folds) -> pd.DataFrame:
    """folds.parquet: a row per person and repeat (per image and repeat for folds.scheme=image).

    Repeat r is drawn with the seed folds.seed + r. Raises UserError for more folds than people, and
    for a holdout that leaves training or validation empty.
    """
    drawn = []
    for repeat in range(settings.repeats):
        # Consecutive seeds, so that repeat 1 of a run is repeat 0 of one with the next seed.
        seed = settings.seed + repeat
        if settings.scheme == "image":
            drawn.append(_by_image(table, settings.count, seed, repeat))
        elif settings.scheme == "kfold":
            folds = assign_folds(table.people, settings.count, seed)
            drawn.append(fold_table(table.people, folds, repeat))
        elif settings.scheme == "holdout":
            folds = assign_holdout(table.people, settings.share, seed)
            if len(set(folds.tolist())) < 2:
                raise UserError(
                    f"folds.share={settings.share:g}: of {len(table.people)} people it holds out"
                    f" {int((folds == 0).sum())}; training and validation need at least one each."
                )
            drawn.append(fold_table(table.people, folds, repeat))
        else:
            none = np.full(len(table.people), -1)
            drawn.append(fold_table(table.people, none, repeat))
    return pd.concat(drawn, ignore_index=True)


def _by_image(table: Table, count: int, seed: int, repeat: int) -> pd.DataFrame:
    """The original report's split: images dealt into folds, stratified on the class."""
    images = table.images
    return pd.DataFrame(
        {
            "path": images["path"],
            "person": images["person"].astype("str"),
            "repeat": np.full(len(images), repeat, np.int16),
            "fold": deal(images["path"], images["label"].to_numpy(np.int64), count, seed),
        }
    )
