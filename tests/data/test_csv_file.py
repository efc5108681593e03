"""CSV files as text: rows with their line numbers, columns of text without objects."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data.csv_file import CsvFile, TextColumn, row_named, text_series
from maskcls.data.findings import Faults


def test_a_row_has_the_number_of_its_first_line() -> None:
    faults = Faults()
    file = CsvFile(b'\n a , b,\r\n"x\ny",1,\n\n2,3\n 4 ,5,\n', "x.csv")
    assert file.header == ("a", "b", "")
    assert list(file.rows(["b", "a"], faults)) == [(3, ["1", "x\ny"]), (7, ["5", " 4 "])]
    with pytest.raises(UserError, match=r"^x\.csv line 6: 2 fields where the header has 3$"):
        faults.raise_if_any()


def test_nothing_is_read_behind_quotes_that_do_not_close() -> None:
    faults = Faults()
    rows = list(CsvFile(b'a\n1\n"2\n3\n', "x.csv").rows(["a"], faults))
    assert rows == [(2, ["1"])]
    with pytest.raises(UserError, match=r"^x\.csv line 3: cannot be read as CSV"):
        faults.raise_if_any()


def test_a_missing_column_is_named_with_the_header() -> None:
    with pytest.raises(UserError, match=r"x\.csv line 1: no column b, c; .* is 'a'"):
        CsvFile(b"a\n1\n", "x.csv").need("a", "b", "c")


def test_a_row_is_found_by_the_exact_name_first() -> None:
    row_of = {"가": 0, "b": 1}
    assert row_named(row_of, "\u1100\u1161") == 0
    assert row_named(row_of, " b ") == 1
    assert row_named(row_of | {"b ": 2}, "b ") == 2
    assert row_named(row_of, "c") is None


@pytest.mark.parametrize("count", [0, 1, 1024, 2050])
def test_a_text_column_has_all_strings_in_order(count: int) -> None:
    texts = [str(number) for number in range(count)]
    column = TextColumn()
    for text in texts:
        column.append(text)
    assert column.series().tolist() == texts
    assert text_series(texts).equals(column.series())
    assert column.series().dtype == "str"
