"""Distinct values of a CSV's columns."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data import columns
from maskcls.data.columns import read_columns


def test_values_are_counted_as_text() -> None:
    first, second = read_columns(b"a,b,\n01,x,\n1, x ,\n01,,\nrow of the wrong length\n", "t.csv")
    assert (first.name, first.place, first.counts) == ("a", 0, {"01": 2, "1": 1})
    assert (second.counts, second.num_values) == ({"x": 2}, 1)
    assert (second.num_rows, second.num_empty) == (3, 1)
    assert second.sample == ["x", "x", ""]


def test_a_column_of_names_is_not_counted_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_COUNTED", 3)
    (one,) = read_columns(b"a\n1\n2\n3\n4\n1\n", "t.csv")
    assert one.counts == {"1": 2, "2": 1, "3": 1}
    assert one.num_rows == 5


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UserError, match=r"t\.csv is empty"):
        read_columns(b"", "t.csv")
