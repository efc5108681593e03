"""Images of equal bytes are on one side of a split: their groups are joined, or the run is refused."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.core.task import Task
from maskcls.data.table import Table
from maskcls.folds.splits import draw_splits
from maskcls.runs.equal_images import equal_images, splits_of, with_equal_joined
from tests.folds.tables import table_of
from tests.tasks import FRUIT, MASK, SKIN

# Image 0 of group a and image 4 of group d are the same file.
ROWS = [("a", 0), ("a", 1), ("b", 0), ("c", 1), ("d", 0), ("d", 1)]
CONTENT = "AxyzAw"


def data_of(task: Task, fold: Sequence[int] | None = None) -> Table:
    strata = {name: [0] * 4 for name in task.strata}
    made = table_of(task, ROWS, fold, strata)
    return Table(task, made.images, made.groups, None, ())


def digests_of(content: str) -> np.ndarray:
    return np.array([np.frombuffer(digest_of_bytes(c.encode()), np.uint8) for c in content])


def joined(table: Table, content: str = CONTENT) -> Table:
    return with_equal_joined(table, equal_images(table, digests_of(content)))


def test_the_groups_of_equal_images_are_one() -> None:
    found = joined(data_of(SKIN))
    assert found.images["group"].tolist() == ["a", "a", "b", "c", "a", "a"]
    assert found.groups["group"].tolist() == ["a", "b", "c"]
    assert found.groups["num_images"].tolist() == [4, 1, 1]
    folds = draw_splits(found, Folds(count=2)).set_index("group")["fold"]
    assert sorted(folds.index) == ["a", "b", "c"]


@pytest.mark.parametrize("scheme", ["kfold", "holdout"])
def test_joined_groups_have_one_fold_each_under_its_name(
    scheme: Literal["kfold", "holdout"],
) -> None:
    table = data_of(SKIN)
    settings = Folds(scheme=scheme, count=2, repeats=3)
    found = splits_of(table, joined(table), settings)
    assert found["group"].tolist() == ["a", "b", "c", "d"] * 3
    assert found["repeat"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    drawn = draw_splits(joined(table), settings)
    for repeat in range(3):
        mine = found[found["repeat"] == repeat].set_index("group")["fold"]
        assert mine["a"] == mine["d"]
        assert mine.drop("d").tolist() == drawn.loc[drawn["repeat"] == repeat, "fold"].tolist()
    assert list(found.columns) == list(drawn.columns)
    assert (found.dtypes == drawn.dtypes).all()


def test_given_folds_of_joined_groups_keep_the_names() -> None:
    table = data_of(SKIN, [1, 1, 0, 0, 1, 1])
    found = splits_of(table, joined(table), Folds(scheme="given", count=2))
    assert found["group"].tolist() == ["a", "b", "c", "d"]
    assert found["fold"].tolist() == [1, 0, 0, 1]


def test_folds_of_images_keep_the_groups_names() -> None:
    table = data_of(SKIN)
    settings = Folds(scheme="image", count=2)
    assert splits_of(table, joined(table), settings).equals(draw_splits(table, settings))


def test_images_without_groups_are_joined_too() -> None:
    made = table_of(FRUIT, [(f"{i}.png", 0) for i in range(6)])
    found = joined(Table(FRUIT, made.images, made.groups, None, ()))
    assert found.images["group"].tolist() == [f"{i}.png" for i in (0, 1, 2, 3, 0, 5)]


def test_without_equal_images_and_within_a_group_nothing_changes() -> None:
    table = data_of(SKIN)
    assert joined(table, "uvwxyz") is table
    assert joined(table, "AAwxyz") is table


def test_folds_of_the_mask_task_stay_as_they_are() -> None:
    table = data_of(MASK)
    assert joined(table) is table
    assert equal_images(table, digests_of(CONTENT)).sentences() == ["same bytes: 2 images in 1 set"]


def test_labels_that_differ_are_named_by_their_classes() -> None:
    table = data_of(SKIN)
    found = equal_images(table, digests_of("AAwxyz"))
    assert found.two_labels == ("00000.png (0), 00001.png (1)",)


def test_equal_images_in_one_given_fold_are_joined() -> None:
    found = joined(data_of(SKIN, [1, 1, 0, 0, 1, 1]))
    assert found.images["fold"].tolist() == [1, 1, 0, 0, 1, 1]
    assert draw_splits(found, Folds(scheme="given", count=2))["fold"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "fold", [[0, 0, 1, 1, 1, 1], [-1, -1, 0, 0, 0, 0]], ids=["two folds", "val beside train"]
)
def test_equal_images_in_two_given_folds_are_refused(fold: list[int]) -> None:
    with pytest.raises(UserError) as raised:
        joined(data_of(SKIN, fold))
    assert str(raised.value) == (
        "00000.png, 00001.png, 00004.png and 1 more: the same bytes, or of one group with such, but in"
        " different given folds (2 images in all): an image would be trained on and held out; delete one"
        " of them, or correct the folds."
    )


def test_given_folds_that_are_not_used_need_not_fit() -> None:
    # The first and the fifth image have the same bytes; the folds hold one out and train on the other.
    table = data_of(SKIN, [0, 0, 1, 1, 1, 1])
    equal = equal_images(table, digests_of(CONTENT))
    with pytest.raises(UserError, match="in different given folds"):
        with_equal_joined(table, equal)
    found = splits_of(table, with_equal_joined(table, equal, False), Folds(count=2, scheme="kfold"))
    fold = found.set_index("group")["fold"]
    assert fold["a"] == fold["d"]
