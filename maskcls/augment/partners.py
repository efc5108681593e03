"""Chooses partners for mixing images; without torch, so that the driver can check it before a run.

Shape letters: T all rows, M those that train.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from maskcls.config import parts
from maskcls.config.schema import Augment
from maskcls.core.errors import UserError
from maskcls.core.task import Task

Int64 = npt.NDArray[np.int64]
Partner = Literal["all", "old", "same_class"]
"""Pool of the other image of a mix: all training rows, those of the last age group (mask task only; 60
and over, or from rows.age_border), or those of the row's own class."""


class Pool:
    """The rows from which a mix draws partners in an epoch.

    Work over all rows is done here once and not for each batch: with a million rows, sorting by class
    took 0.3 s.
    """

    def __init__(self, name: str, partner: str, classes: Int64, rows: Int64, task: Task) -> None:
        """See pool_of; raises as it does."""
        self._rows = pool_of(name, partner, classes, rows, task)
        self._sorted: Int64 | None = None
        if partner == "same_class":
            # Sorted by class, each class is contiguous: a draw picks a place in that of the row.
            self._rows = self._rows[np.argsort(classes[self._rows], kind="stable")]
            self._sorted = classes[self._rows]

    def partners(self, classes_B: Int64, draw_B: npt.NDArray[np.float64]) -> Int64:
        """Row of each partner, int64 [B].

        classes_B: of the rows that need one, int64 [B]; draw_B: uniform in [0, 1), float64 [B].
        """
        if self._sorted is None:
            found: Int64 = self._rows[(draw_B * len(self._rows)).astype(np.int64)]
            return found
        start, stop = (
            np.searchsorted(self._sorted, classes_B, side=side) for side in ("left", "right")
        )
        chosen: Int64 = self._rows[start + (draw_B * (stop - start)).astype(np.int64)]
        return chosen


def partners_asked(settings: Augment) -> dict[str, str]:
    """The setting partner of each chosen transform that mixes images, by the transform's name."""
    found = {}
    for name in parts.chosen("augment.name", settings.name):
        own = parts.own_defaults("augment.name", name) | settings.settings.get(name, {})
        if "partner" in own:
            found[name] = str(own["partner"])
    return found


def pool_of(name: str, partner: str, classes: Int64, rows: Int64, task: Task) -> Int64:
    """Rows from which the mix called `name` draws partners, int64, in the order given.

    partner: a Partner; classes: of all rows as they train, int64 [T]; rows: those that train, int64
    [M]. Raises UserError when no row is of the last age group.
    """
    # same_class needs no pool of its own: it chooses within all rows, by class.
    part = task.numbered
    if partner != "old" or part is None:
        return rows
    pool: Int64 = rows[task.codes_of(classes[rows])[part.name] == len(part.values) - 1]
    if not len(pool):
        raise UserError(
            f"augment.{name}.partner={partner}: no training image is of the last age group (60 and over,"
            " or from rows.age_border); use all."
        )
    return pool
