"""Values of images: codes in the order of appearance, raw texts checked and mapped."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data.fields import (
    columns_of,
    fold_field,
    group_field,
    in_path,
    in_row,
    part_field,
)
from maskcls.data.findings import Faults
from maskcls.data.task_file import PartFile, Source

COLUMN = Source("column", "kind")


def test_codes_are_places_of_the_values() -> None:
    one, faults = part_field(PartFile("label", COLUMN, of={"tabby": "cat"})), Faults()
    assert [one.code(raw, "", faults) for raw in ("cat", "dog", " tabby ", "dog ")] == [0, 1, 0, 1]
    assert one.values == ["cat", "dog"]
    faults.raise_if_any()


def test_composed_and_decomposed_are_one_value() -> None:
    one, faults = part_field(PartFile("label", COLUMN, ("\u00e9",))), Faults()
    assert one.code("e\u0301", "", faults) == one.code("\u00e9", "", faults) == 0
    faults.raise_if_any()


def test_the_same_fault_is_named_for_each_row() -> None:
    one, faults = part_field(PartFile("label", COLUMN, ("cat", "dog"))), Faults()
    assert [one.code("cow", f"line {n}", faults) for n in (2, 3)] == [-1, -1]
    with pytest.raises(UserError) as caught:
        faults.raise_if_any()
    assert str(caught.value) == "\n".join(
        f"line {n}: kind 'cow' is none of the values cat, dog; correct it, or add it to values of part"
        " label"
        for n in (2, 3)
    )


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        ("0", "0"),
        ("007", "7"),
        ("", "-1"),
        ("-1", "-1"),
        (" ", "-1"),
        ("train", "-1"),
        ("valid", "0"),
    ],
)
def test_folds(raw: str, want: str) -> None:
    one, faults = fold_field(COLUMN), Faults()
    assert one.values[one.code(raw, "", faults)] == want


@pytest.mark.parametrize("raw", ["-2", "1.5", "test", "\u0663", "99999", "+1"])
def test_folds_that_are_none(raw: str) -> None:
    one, faults = fold_field(COLUMN), Faults()
    assert one.code(raw, "x", faults) == -1
    with pytest.raises(UserError, match="no whole number from 0"):
        faults.raise_if_any()


def test_a_group_keeps_its_zeros_and_is_never_empty() -> None:
    one, faults = group_field(COLUMN), Faults()
    assert [one.code(raw, "", faults) for raw in ("007", "7", " ")] == [0, 1, -1]
    with pytest.raises(UserError, match="the group is empty"):
        faults.raise_if_any()


@pytest.mark.parametrize(
    ("source", "root", "want"),
    [
        (Source("stem"), "", "cat.1"),
        (Source("folder"), "", "train"),
        (Source("folder"), "train", "pets"),
        (Source("folder"), "train/pets", None),
        (Source("path", r"(cat|dog)\."), "", "cat"),
        (Source("path", r"^(cat|dog)"), "", None),
        (Source("path", r"cat(x)?"), "", None),
    ],
)
def test_values_in_paths(source: Source, root: str, want: str | None) -> None:
    assert in_path(source, "train/pets/cat.1.jpg", root) == want


def test_values_in_rows() -> None:
    row = {"kind": " cat", "a": "0", "b": "1.0"}
    assert in_row(COLUMN, row) == " cat"
    assert in_row(Source("one_hot", columns=("a", "b")), row) == "b"
    with pytest.raises(ValueError, match="none of them is 1"):
        in_row(Source("one_hot", columns=("a", "b")), row | {"b": "0"})


def test_columns_that_sources_need() -> None:
    hot = Source("one_hot", columns=("a", "kind"))
    assert columns_of(COLUMN, None, hot, Source("stem")) == ("kind", "a")
