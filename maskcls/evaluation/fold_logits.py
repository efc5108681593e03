"""A fold's stored logits, read in parts along with the table whose rows they are of."""

import numpy as np
import numpy.typing as npt

from maskcls.store.run import Fold
from maskcls.store.tables import logits_of, read_parts


class FoldLogits:
    """A fold's logits, read along with the table, whose order its rows are in.

    name: of the file in the fold's folder: an epoch's validation logits, of rows of table.parquet,
    or the eval logits, of rows of eval_table.parquet.
    """

    def __init__(self, fold: Fold, name: str) -> None:
        self._where, self._name = f"{fold.run}: fold {fold.number}", name
        self._parts = read_parts(fold.folder, name)
        self._rows, self._logits = np.empty(0, np.int64), np.empty((0, 0), np.float32)
        self._last = -1

    def fill(self, values: npt.NDArray[np.float32], start: int) -> None:
        """Write the fold's logits of the table's rows from start on into values [n, K].

        Call it for consecutive ranges of rows. Rows that the fold lacks stay as they are. Raises
        RuntimeError when values already has logits of a row of the fold.
        """
        stop = start + len(values)
        while True:
            count = int(np.searchsorted(self._rows, stop))
            if count:
                rows = self._rows[:count] - start
                # Two folds with one held-out row mean that one of them trained on it.
                if not np.isnan(values[rows, 0]).all():
                    raise RuntimeError(f"{self._where} has rows that another fold held out, too")
                values[rows] = self._logits[:count]
                self._rows, self._logits = self._rows[count:], self._logits[count:]
            if len(self._rows) or not self._read(values.shape[1]):
                return

    def _read(self, num_classes: int) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        self._rows = part["row"].to_numpy()
        self._logits = logits_of(part["logits"], num_classes)[0]
        # Otherwise fill would skip rows without an error.
        if (np.diff(self._rows, prepend=self._last) <= 0).any():
            raise RuntimeError(f"{self._where}: {self._name} is not in the table's order")
        self._last = int(self._rows[-1]) if len(self._rows) else self._last
        return True


def has_logits(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which rows of logits [N, K] are finite, bool [N]."""
    return np.asarray(np.isfinite(logits).all(axis=1))
