"""What `maskcls check` says of data before anything trains on it."""

from collections.abc import Sequence

import pytest

from maskcls.config.resolve import resolve
from maskcls.core.task import Task
from maskcls.data.table import Table
from maskcls.folds.remarks import NO_GROUPS
from maskcls.runs.data_report import data_report
from tests.folds.tables import table_of
from tests.tasks import FRUIT, MASK, SKIN


def data_of(
    task: Task,
    rows: Sequence[tuple[str, int]],
    fold: Sequence[int] | None = None,
    strata: dict[str, Sequence[int]] | None = None,
) -> Table:
    made = table_of(task, rows, fold, strata)
    return Table(task, made.images, made.groups, None, ())


def report(table: Table, *sets: str, sizes: dict[str, int] | None = None) -> list[str]:
    return data_report(table, resolve("plain", sets=sets), sizes or {})


def test_of_patients_with_many_images() -> None:
    # Ten patients of four images, one of which is positive; and one more with forty negative ones.
    rows = [(f"P{i}", int(n == 0)) for i in range(10) for n in range(4)]
    found = report(data_of(SKIN, rows + [("P99", 0)] * 40), "folds.count=2")
    assert found == [
        "if one always answers 0: AUC 0.500  accuracy 0.875  macro F1 0.467",
        "groups: 11, of 4 images in the median; the largest, P99, has 40 (50 %)",
        "kfold: 2 folds of 32 to 48 validation images; 1, the rarest class, 2 to 8 in each",
    ]


def test_a_metric_that_an_answer_alone_does_not_have_is_left_out() -> None:
    task = Task("odds", FRUIT.parts, "log_loss")
    found = report(data_of(task, [("a", 0), ("b", 1), ("c", 1)]), "folds.count=2")
    assert found[0] == "if one always answers banana: accuracy 0.667  macro F1 0.400"


def test_of_images_without_groups() -> None:
    rows = [(f"{i:02d}.png", min(i // 8, 2)) for i in range(20)]
    found = report(data_of(FRUIT, rows), "folds.count=2")
    assert found[1] == NO_GROUPS
    # A class without images is not the rarest one: there is none of it to hold out.
    assert found[2] == "kfold: 2 folds of 10 validation images; cherry, the rarest class, 2 in each"
    assert "class date: 0 images for 2 folds" in found[3]


def test_of_the_mask_task() -> None:
    rows = [(f"p{i}", 3 * (i % 2)) for i in range(8) for _ in range(7)]
    strata = {"gender": [i % 2 for i in range(8)], "age": [0] * 8}
    found = report(data_of(MASK, rows, strata=strata), "folds.count=4")
    assert found[0].startswith("if one always answers worn, male, <30: macro F1 0.0")
    assert found[1] == "groups: 8, of 7 images in the median; the largest, p0, has 7 (12 %)"
    assert (
        found[2]
        == "kfold: 4 folds of 14 validation images; worn, male, <30, the rarest class, 7 in each"
    )


def test_folds_that_the_data_names() -> None:
    rows = [("a", 0), ("b", 1), ("c", 0), ("d", 1)]
    found = report(data_of(SKIN, rows, [1, 1, 3, 3]))
    assert found[2:] == [
        "given: 2 folds of 2 validation images; 0, the rarest class, 1 in each",
        "the given folds 1, 3 are numbered 0 to 1 here",
    ]


def test_without_a_validation_set() -> None:
    found = report(data_of(SKIN, [("a", 0), ("b", 1)]), "folds.scheme=all")
    assert found[2:] == ["no validation set"]


def test_folds_of_images_are_counted_by_image() -> None:
    found = report(
        data_of(SKIN, [("a", 0)] * 6 + [("b", 1)] * 4), "folds.scheme=image", "folds.count=2"
    )
    assert found[2] == "image: 2 folds of 5 validation images; 1, the rarest class, 2 in each"


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        (("folds.count=5",), "folds.count=5: there are only 2 groups"),
        (("rows.drop_ages=27",), "rows.drop_ages: belongs to the task mask"),
    ],
)
def test_settings_that_give_no_folds_are_a_sentence(sets: tuple[str, ...], sentence: str) -> None:
    *_, last = report(data_of(SKIN, [("a", 0), ("b", 1)]), *sets)
    assert last.startswith(sentence)


def test_what_the_crop_keeps_is_said_of_the_sizes_found() -> None:
    table = data_of(SKIN, [("a", 0), ("b", 1), ("c", 1)])
    wide = {"100x400": 2, "100x100": 1}
    assert report(table, "folds.count=2", sizes=wide)[1] == (
        "image.crop=fill keeps 50 % of an image on average: from 25 % (2 of 100x400) to 100 %"
        " (1 of 100x100), before it is resized to 224x224"
    )
