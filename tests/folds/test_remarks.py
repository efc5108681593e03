"""What is said about a split before its score is believed."""

import pytest

from maskcls.config.schema import Folds
from maskcls.core.task import Part, Task
from maskcls.folds.remarks import NO_GROUPS, fold_remarks
from maskcls.folds.splits import IMAGE_STAMP
from tests.folds.tables import MadeUp, each_its_own, table_of
from tests.tasks import FRUIT, MASK, SKIN


def people(strata: list[int]) -> MadeUp:
    """A person with one image for each stratum 0..5."""
    codes = {"gender": [s // 3 for s in strata], "age": [s % 3 for s in strata]}
    return table_of(MASK, [(f"p{i:02d}", s) for i, s in enumerate(strata)], strata=codes)


def test_strata_with_fewer_groups_than_folds_are_named() -> None:
    table = people([0] * 5 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 3)
    assert fold_remarks(table, Folds(count=3)) == []
    assert fold_remarks(table, Folds(count=5)) == [
        "stratum female, 60+: 3 groups for 5 folds, so 2 folds have none of it in validation"
    ]
    assert len(fold_remarks(people([0, 0]), Folds(count=2))) == 5


def test_classes_with_fewer_groups_than_folds_are_named() -> None:
    # Cherry has six images of three groups, date one image.
    rows = [(f"a{i}", 0) for i in range(9)] + [(f"b{i}", 1) for i in range(5)]
    rows += [(f"c{i % 3}", 2) for i in range(6)] + [("d", 3)]
    assert fold_remarks(table_of(SKIN_OF_FRUIT, rows), Folds(count=5)) == [
        "class cherry: 3 groups for 5 folds, so 2 folds have none of it in validation",
        "class date: 1 group for 5 folds, so 4 folds have none of it in validation",
    ]
    assert fold_remarks(table_of(SKIN_OF_FRUIT, rows), Folds(scheme="all")) == []
    assert fold_remarks(table_of(SKIN_OF_FRUIT, rows), Folds(scheme="image")) == [IMAGE_STAMP]


SKIN_OF_FRUIT = Task("fruit", FRUIT.parts, has_groups=True)


def test_without_groups_images_are_counted() -> None:
    assert fold_remarks(each_its_own(FRUIT, [0] * 9 + [1] * 5 + [2] * 4 + [3] * 6), Folds()) == [
        "class cherry: 4 images for 5 folds, so 1 fold has none of it in validation"
    ]
    # Each image is a group of its own, so that nothing leaks by design.
    assert fold_remarks(each_its_own(FRUIT, [0, 1, 2, 3]), Folds(scheme="image")) == []
    assert NO_GROUPS.startswith("no group is named: each image is its own group;")


def test_groups_of_more_than_a_fold_are_named() -> None:
    rows = [("cam7", i % 2) for i in range(41)] + [("50%off", i % 2) for i in range(21)]
    rows += [(f"cam{i // 2 + 10}", i % 2) for i in range(38)]
    assert fold_remarks(table_of(SKIN, rows), Folds(count=5)) == [
        "group cam7 holds 41 % of the images, more than a fold's share of 20 %: folds cannot be even",
        "group 50%off holds 21 % of the images, more than a fold's share of 20 %: folds cannot be"
        " even",
    ]
    assert fold_remarks(table_of(SKIN, rows), Folds(count=2)) == []


def test_of_many_small_classes_the_first_ten_are_named() -> None:
    task = Task("many", (Part("label", tuple(f"c{i:02d}" for i in range(40))),))
    *named, last = fold_remarks(each_its_own(task, [*range(40), *range(3)]), Folds(count=2))
    assert len(named) == 10
    assert named[0].startswith("class c03: 1 image for 2 folds")
    assert last == "and 27 more: class with fewer images than folds"


@pytest.mark.parametrize(
    ("fold", "remarks"),
    [
        ([0, 0, 1, 1], []),
        ([-1, 0, -1, -1], []),
        ([1, 1, 2, 4], ["the given folds 1, 2, 4 are numbered 0 to 2 here"]),
    ],
)
def test_given_folds_of_other_numbers_are_said_to_be_renumbered(
    fold: list[int], remarks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Folds()
    object.__setattr__(settings, "scheme", "given")
    table = table_of(SKIN, [("a", 0), ("b", 1), ("c", 0), ("d", 1)], fold)
    assert fold_remarks(table, settings) == remarks


@pytest.mark.parametrize("fold", [None, [1, 1, 2, 2]])
def test_auto_is_what_the_data_has(fold: list[int] | None) -> None:
    settings = Folds(count=3)
    object.__setattr__(settings, "scheme", "auto")
    (said,) = fold_remarks(each_given(fold), settings)
    assert said.startswith("the given folds 1, 2 " if fold else "class 1: 1 group for 3 folds")


def each_given(fold: list[int] | None) -> MadeUp:
    return table_of(SKIN, [("a", 0), ("b", 0), ("c", 0), ("d", 1)], fold)
