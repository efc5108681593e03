"""Images of equal bytes are one thing: their groups are joined, so that no split divides them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.core.names import some
from maskcls.data.table import Table
from maskcls.folds.assign import fold_table
from maskcls.folds.equal_files import EqualFiles, find_equal_files, with_groups_joined
from maskcls.folds.sides import assert_no_group_on_two_sides
from maskcls.folds.splits import draw_splits
from maskcls.pixels.fingerprint import Digests


def equal_images(table: Table, digests: Digests) -> EqualFiles:
    """Training images of equal bytes, of the mask task without joining their groups.

    digests: uint8 [N, 16], of each image's bytes.
    """
    images = table.images
    codes = images["group"].cat.codes.to_numpy()
    found = find_equal_files(digests, codes, images["label"], images["path"], table.task.classes)
    if table.task.is_mask:  # its folds stay as they are, and nobody is told otherwise
        return replace(found, group_of_row=codes.astype(np.int64), num_joined=0)
    return found


def with_equal_joined(table: Table, equal: EqualFiles, uses_given: bool = True) -> Table:
    """The table with the groups of equal images joined.

    uses_given: whether folds that the data names are used. Raises UserError when they hold equal images
    out and train on them at the same time.
    """
    if not equal.num_joined:
        return table
    images, groups = with_groups_joined(table.images, table.groups, equal.group_of_row)
    if uses_given and "fold" in images:
        fold, codes = images["fold"].to_numpy(), images["group"].cat.codes.to_numpy()
        last = np.zeros(len(groups), fold.dtype)
        last[codes] = fold
        wrong = np.flatnonzero(last[codes] != fold)
        if len(wrong):
            both = images["path"][codes == codes[wrong[0]]].tolist()
            raise UserError(
                f"{some(both)}: the same bytes, or of one group with such, but in different given folds"
                f" ({len(wrong)} images in all): an image would be trained on and held out; delete one"
                " of them, or correct the folds."
            )
    return replace(table, images=images, groups=groups)


def splits_of(table: Table, joined: Table, settings: Folds) -> pd.DataFrame:
    """folds.parquet of the table; joined: that table with the groups of equal images joined.

    Joined groups are drawn as one, and each has a row of its own with their fold: tables and scores keep
    the names that the data gives.
    """
    if joined is table or settings.scheme == "image":  # by image, joined groups are no matter
        return draw_splits(table, settings)
    drawn = draw_splits(joined, settings)
    place = np.zeros(len(table.groups), np.int64)
    place[table.images["group"].cat.codes] = joined.images["group"].cat.codes
    # Repeats follow each other, each with a row for each joined group.
    folds = drawn["fold"].to_numpy().reshape(settings.repeats, -1)
    parts = []
    codes = table.images["group"].cat.codes.to_numpy()
    for repeat, mine in enumerate(folds):
        named = mine[place]
        # A worker checks the groups by their names; which were joined is known here alone.
        assert_no_group_on_two_sides(joined.images["group"].cat.codes.to_numpy(), named[codes])
        parts.append(fold_table(table.groups, table.task, named, repeat))
    return pd.concat(parts, ignore_index=True)
