"""Rows and their groups."""

import numpy as np

from maskcls.statistics.rows import numbered
from tests.statistics.drawn import EVERY_METRIC, drawn


def test_chosen_rows_have_their_groups_numbered_anew() -> None:
    rows = drawn(EVERY_METRIC, 12)
    kept = rows.where(rows.groups % 3 == 1)
    assert kept.num_groups == 4
    assert np.unique(kept.groups).tolist() == [0, 1, 2, 3]
    assert kept.logits.tolist() == rows.logits[rows.groups % 3 == 1].tolist()
    assert len(kept) == len(kept.folds) == len(kept.labels)
    assert kept.num_classes == 4
    assert rows.where(np.zeros(len(rows), bool)).num_groups == 0


def test_groups_are_numbered_by_their_names() -> None:
    assert numbered(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]
    assert numbered([]).tolist() == []
