"""Images joined with rows: codes of fields from both, and what is left out."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.fields import Field, group_field, part_field
from maskcls.data.findings import Faults, Findings
from maskcls.data.image_rows import ImageRows, read_rows
from maskcls.data.listed_images import ListedImages, list_task_images
from maskcls.data.task_file import PartFile, Source, TaskFile

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def listed(
    data: "TaskData", source: Source, group: Source | None = None, *lines: str,
    roots: tuple[tuple[str, int | None], ...] = (("", None),),
) -> tuple[ListedImages, list[Field], Findings]:  # fmt: skip
    part, faults, findings = PartFile("label", source), Faults(), Findings()
    fields = [part_field(part), *([] if group is None else [group_field(group)])]
    table = "t.csv" if lines else None
    file = TaskFile("o", "h", "t", "a", (part,), table, image="i", group=group, roots=roots)
    rows: ImageRows | None = None
    if lines:
        in_columns = [one for one in fields if one.source.kind == "column"]
        text = "\n".join(lines).encode()
        rows = read_rows(text, "t.csv", "i", "", in_columns, faults, findings)
    found = list_task_images(data.folder, file, fields, rows, faults, findings)
    faults.raise_if_any()
    return found, fields, findings


def values(found: ListedImages, one: Field) -> dict[str, str]:
    codes = found.codes[one.name]
    return {p: one.values[c] for p, c in zip(found.path.series(), codes, strict=True)}


def test_one_field_from_the_row_and_one_from_the_path(data: "TaskData") -> None:
    data.files("a/p2/1.jpg", "a/p1/1.jpg")
    lines = ("i,l", "p2/1.jpg,x", "p1/1.jpg,y")
    found, (label, group), _ = listed(data, Source("column", "l"), Source("folder"), *lines)
    assert values(found, label) == {"p1/1.jpg": "y", "p2/1.jpg": "x"}
    assert values(found, group) == {"p1/1.jpg": "p1", "p2/1.jpg": "p2"}


def test_roots_have_given_folds(data: "TaskData") -> None:
    data.files("a/val/x/1.jpg", "a/train/y/1.jpg", "a/other/x/1.jpg")
    found, (label,), _ = listed(
        data, Source("folder"), roots=(("val", 0), ("train", -1))
    )  # fmt: skip
    assert values(found, label) == {"train/y/1.jpg": "y", "val/x/1.jpg": "x"}
    assert list(found.root_fold) == [-1, 0]


def test_findings_have_counts_and_examples(data: "TaskData") -> None:
    data.files(*(f"a/{n}.jpg" for n in range(5)), "a/x/1.jpg", "a/x/y/2.jpg", "a/z/.1.jpg")
    _, _, findings = listed(data, Source("folder"))
    text = {one.kind: one.text for one in findings.collected()}
    assert text["no_class"].startswith("5 images outside")
    assert text["no_class"].endswith(": 0.jpg, 1.jpg, 2.jpg and 2 more")
    assert text["deeper_folders"].endswith(": x/y/2.jpg")
    assert "empty_class" in text
    assert "1 hidden" in text["hidden_files"]


def test_no_image_says_what_is_there(data: "TaskData") -> None:
    data.files("a/x/1.gif", "a/y/2.gif")
    with pytest.raises(UserError, match=r"a: no image of the task found .* 2 \.gif"):
        listed(data, Source("folder"))


def test_missing_images_have_a_reason_each(data: "TaskData") -> None:
    data.files("a/1.jpg", "a/2.jpg", "a/3.gif")
    lines = ("i,l", "1.jpg,x", "2.jpg,y", "3.gif,x", "4.jpg,y")
    found, _, _ = listed(data, Source("column", "l"), None, *lines)
    assert found.missing == {"3.gif": "images with .gif are not read", "4.jpg": "not in a"}


def test_rows_that_name_files_alone_find_them_in_folders(data: "TaskData") -> None:
    data.files("a/north/1.jpg", "a/south/2.jpg")
    found, (label,), _ = listed(data, Source("column", "l"), None, "i,l", "1.jpg,x", "2.jpg,y")
    assert values(found, label) == {"north/1.jpg": "x", "south/2.jpg": "y"}
    data.files("a/south/1.jpg")
    with pytest.raises(
        UserError, match=r"two images are called '1.jpg', one of them 'south/1.jpg'"
    ):
        listed(data, Source("column", "l"), None, "i,l", "1.jpg,x", "2.jpg,y")


def test_images_in_folders_are_not_those_of_rows_beside_them(data: "TaskData") -> None:
    data.files("a/1.jpg", "a/2.jpg", "a/old/1.jpg")
    found, (label,), findings = listed(
        data, Source("column", "l"), None, "i,l", "1.jpg,x", "2.jpg,y"
    )
    assert values(found, label) == {"1.jpg": "x", "2.jpg": "y"}
    assert [one.kind for one in findings.collected()] == ["no_row"]
