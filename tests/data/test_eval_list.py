"""Images to predict: in a table's order, or all of a folder."""

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from maskcls.core.errors import UserError
from maskcls.data.eval_list import read_eval
from maskcls.data.findings import Faults, Finding, Findings
from maskcls.data.task_file import EvalFile, Source

if TYPE_CHECKING:
    from tests.data.task_data import TaskData

TABLE = EvalFile("test", "test.csv", "id", ".png")


def read(
    data: "TaskData", file: EvalFile, needed: bool = True, alone: bool = True
) -> tuple[pd.DataFrame | None, tuple[Finding, ...]]:
    faults, findings = Faults(), Findings()
    frame = read_eval(data.folder, file, faults, findings, needed, alone)
    faults.raise_if_any()
    return frame, findings.collected()


def refused(data: "TaskData", file: EvalFile) -> str:
    with pytest.raises(UserError) as caught:
        read(data, file)
    return str(caught.value)


def test_all_images_of_a_folder_by_their_paths(data: "TaskData") -> None:
    data.files("test/b.jpg", "test/a/2.png", "test/a-1.jpg", "test/x.gif", "test/.y.jpg")
    frame, findings = read(data, EvalFile("test"))
    assert frame is not None
    assert list(frame["image"]) == list(frame["path"]) == ["a-1.jpg", "a/2.png", "b.jpg"]
    assert frame["found"].all()
    assert list(frame["size_bytes"]) == [5, 5, 5]
    assert [one.kind for one in findings] == ["hidden_files", "unread_files"]


def test_a_folder_without_images_is_a_finding(data: "TaskData") -> None:
    frame, findings = read(data.files("test/a.txt"), EvalFile("test"))
    assert frame is None
    assert "eval_empty" in [one.kind for one in findings]


def test_a_table_keeps_its_order_and_names(data: "TaskData") -> None:
    data.csv("test.csv", "id,x", "b,1", " a.png,2", "c,3").files("test/a.png", "test/b.png")
    data.files("test/d.png")
    frame, findings = read(data, TABLE)
    assert frame is not None
    assert list(frame["image"]) == ["b", " a.png", "c"]
    assert list(frame["path"]) == ["b.png", "a.png", ""]
    assert list(frame["found"]) == [True, True, False]
    assert list(frame["mtime_ns"])[2] == 0
    assert {one.kind: one.text for one in findings} == {
        "columns": "columns not used: x",
        "eval_extra": "not in test.csv, not used, 1 in all: d.png",
        "eval_missing": "not in test, 1 of 3 in all: c (line 4)",
    }
    assert "eval_extra" not in [one.kind for one in read(data, TABLE, alone=False)[1]]


def test_most_images_missing_is_refused_where_they_are_needed(data: "TaskData") -> None:
    data.csv("test.csv", "id", "a", "b", "c").files("test/a.png", "test/B.png")
    message = refused(data, TABLE)
    assert "test.csv: not in test, 2 of 3 in all: b (line 3), c (line 4)" in message
    assert "(images there: B.png)" in message
    frame, _ = read(data, TABLE, needed=False)
    assert frame is not None
    assert list(frame["found"]) == [True, False, False]


@pytest.mark.parametrize(
    ("group", "want"),
    [
        (Source("column", "who"), ["007", "7"]),
        (Source("stem"), ["b_2", "a_1"]),
        (Source("path", "^(.)_"), ["b", "a"]),
    ],
)
def test_groups(data: "TaskData", group: Source, want: list[str]) -> None:
    data.csv("test.csv", "id,who", "b_2,007", "a_1,7").files("test/a_1.png", "test/b_2.png")
    frame, _ = read(data, EvalFile("test", "test.csv", "id", ".png", group))
    assert frame is not None
    assert list(frame["group"]) == want


def test_groups_without_a_table(data: "TaskData") -> None:
    data.files("test/p1/a.jpg", "test/p1/b.jpg", "test/p2/a.jpg")
    frame, _ = read(data, EvalFile("test", group=Source("folder")))
    assert frame is not None
    assert list(frame["group"]) == ["p1", "p1", "p2"]
    data.files("test/c.jpg")
    message = refused(data, EvalFile("test", group=Source("folder")))
    assert message.startswith("test/c.jpg: [eval] group: 'folder' is not in this path")


def test_faulty_rows(data: "TaskData") -> None:
    data.csv("test.csv", "id", "a", "../b", "a").files("test/a.png")
    assert [line.split(":")[0] for line in refused(data, TABLE).splitlines()] == [
        "test.csv line 3", "test.csv line 4",
    ]  # fmt: skip


def test_missing_folder_and_table(data: "TaskData") -> None:
    assert "no folder 'test', which [eval] names" in refused(data, TABLE)
    assert "no file 'test.csv', which [eval] names" in refused(data.files("test/a.png"), TABLE)


def test_two_files_of_one_name(data: "TaskData") -> None:
    data.csv("test.csv", "id", "\u00e9").files("test/\u00e9.png", "test/e\u0301.png")
    assert "has the name of another file" in refused(data, TABLE)
