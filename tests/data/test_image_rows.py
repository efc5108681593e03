"""A CSV with a row for each image: paths, codes and lines as columns."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data.fields import group_field, part_field
from maskcls.data.findings import Faults, Findings
from maskcls.data.image_rows import ImageRows, is_inside, read_rows, with_suffix
from maskcls.data.task_file import PartFile, Source


def read(*lines: str, suffix: str = "") -> tuple[ImageRows, Faults, Findings]:
    faults, findings = Faults(), Findings()
    fields = [
        part_field(PartFile("label", Source("column", "l"))),
        group_field(Source("column", "g")),
    ]
    data = "\n".join(("i,l,g,x", *lines, "")).encode()
    return read_rows(data, "t.csv", "i", suffix, fields, faults, findings), faults, findings


def test_rows_are_columns_in_the_order_of_the_file() -> None:
    rows, faults, findings = read("b,dog,2,", "./a ,cat,1,", "c.png,dog,2,", suffix=".jpg")
    faults.raise_if_any()
    assert rows.name == ["b", "./a ", "c.png"]
    assert rows.path == ["b.jpg", "a.jpg", "c.png"]
    assert list(rows.line) == [2, 3, 4]
    assert {name: list(codes) for name, codes in rows.codes.items()} == {
        "label": [0, 1, 0], "group": [0, 1, 0],
    }  # fmt: skip
    assert [rows.row(path) for path in ("a.jpg", " a.jpg", "d.jpg")] == [1, 1, None]
    assert [one.text for one in findings.collected()] == ["columns not used: x"]


def test_rows_with_a_fault_are_left_out() -> None:
    rows, faults, _ = read("a,cat,1,", "../b,cat,1,", "c,,1,", "a,dog,1,", "d,dog,2")
    assert rows.path == ["a"]
    with pytest.raises(UserError) as caught:
        faults.raise_if_any()
    where = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert where == [f"t.csv line {n}" for n in (3, 4, 5, 6)]


def test_no_rows_is_a_fault() -> None:
    _, faults, _ = read()
    with pytest.raises(UserError, match="has a header line but no rows"):
        faults.raise_if_any()


def test_missing_rows_in_words() -> None:
    rows, _, _ = read("a,x,1,", "b,x,1,", "c,x,1,", "d,x,1,", "e,x,1,")
    text = rows.missing_text([0, 1, 2, 4], "images")
    assert text == "not in images, 4 of 5 in all: a (line 2), b (line 3), c (line 4) and 1 more"
    assert rows.missing_text([0], "").startswith("not in DATA, 1 of 5")


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("a", "a.jpg"),
        ("a.jpg", "a.jpg"),
        ("a.PNG", "a.PNG"),
        ("a.v2", "a.v2.jpg"),
        ("x.y/a", "x.y/a.jpg"),
    ],
)
def test_suffixes(path: str, want: str) -> None:
    assert with_suffix(path, ".jpg") == want
    assert with_suffix(path, "") == path


def test_a_suffix_of_another_kind_is_not_added_twice() -> None:
    assert with_suffix("a_view.dat", "_view.dat") == "a_view.dat"


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a\\b", ".", "a\0"])
def test_paths_that_lead_outside(path: str) -> None:
    assert not is_inside(path)
    assert is_inside("a/b..c/d.jpg")
