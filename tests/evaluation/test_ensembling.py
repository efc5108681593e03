"""Averaging members: by hand, in any order of rows, with what is missing."""

import numpy as np
import pyarrow as pa
import pytest

from maskcls.core.errors import UserError
from maskcls.evaluation import ensembling
from maskcls.store.tables import logits_column


def table(names: list[str], folds: list[int], values: list[float]) -> pa.Table:
    """An eval table whose logits are all one value a row; NaN is a null."""
    logits = np.repeat(np.array(values, np.float32)[:, None], 18, axis=1)
    column = logits_column(logits, np.isfinite(logits[:, 0]))
    repeat = np.zeros(len(names), np.int16)
    return pa.table({"ImageID": names, "repeat": repeat, "fold": folds, "logits": column})


def test_members_are_aligned_whatever_their_order() -> None:
    found = ensembling.members_of(
        ["a", "b"],
        [("x", table(["b", "a", "a", "b"], [0, 0, 1, 1], [2, 1, 3, 4])),
         ("y", table(["a", "b"], [0, 0], [5, 6]))],
    )  # fmt: skip
    assert found.labels == ["x fold 0", "x fold 1", "y fold 0"]
    assert found.logits[:, :, 0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert ensembling.mean_logits(found.logits)[:, 7].tolist() == [3, 4]


def test_who_has_no_logits_does_not_vote() -> None:
    nan = float("nan")
    found = ensembling.members_of(["a", "b"], [("x", table(["a", "b"], [0, 0], [nan, nan])),
                                               ("y", table(["a", "b"], [0, 0], [5, nan]))])  # fmt: skip
    mean = ensembling.mean_logits(found.logits)
    assert mean[0, 0] == 5
    assert np.isnan(mean[1]).all()


def test_runs_on_other_images_are_refused() -> None:
    with pytest.raises(UserError, match="2 differ, such as b"):
        ensembling.members_of(["a", "b"], [("x", table(["a", "c"], [0, 0], [1, 2]))])


def test_softmax_sums_to_one_and_survives_big_logits() -> None:
    probs = ensembling.softmax(np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]]))
    assert probs.sum(axis=1) == pytest.approx([1, 1])
    assert probs[1] == pytest.approx([1 / 3] * 3)
