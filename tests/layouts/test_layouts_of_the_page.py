"""A layout of docs/tasks.md and the task.toml that it says is the same are read as the same."""

import re
from pathlib import Path

import pandas as pd
import pytest

from maskcls.commands.check import check
from tests.conftest import Heard
from tests.layouts.drawn import Data

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.S)


def folders(data: Data) -> None:
    for k, name in enumerate(("daisy", "rose", "tulip")):
        for path in ("1.jpg", "2.jpg", "more/3.jpg"):
            data.picture(f"{name}/{path}", k)


def train_val_test(data: Data) -> None:
    for k, name in enumerate(("healthy", "rust", "scab")):
        for number in (1, 2, 3):
            data.picture(f"train/{name}/{number}.jpg", k)
        data.picture(f"val/{name}/4.jpg", k)
        data.picture(f"test/{1001 + k}.jpg", k)


def csv_with_groups(data: Data) -> None:
    rows = [
        ("a01.jpg", "robin", "007", 0),
        ("a02.jpg", "robin", "007", 0),
        ("b01.jpg", "wren", "7", 1),
    ]
    for path, label, _, _ in rows:
        data.picture(f"images/{path}", int(label == "wren"))
    data.table("train.csv", ["image", "label", "group", "fold"], rows)


@pytest.mark.parametrize("number", range(3))
def test_what_is_found_is_what_the_file_says(number: int, tmp_path: Path, heard: Heard) -> None:
    data = Data(tmp_path / "data")
    (folders, train_val_test, csv_with_groups)[number](data)
    found = check(str(data.folder), heard).table
    data.task(FILES[number])
    written = check(str(data.folder), heard).table
    assert written.task.classes == found.task.classes
    assert written.task.has_groups == found.task.has_groups
    pd.testing.assert_frame_equal(written.images, found.images)
    pd.testing.assert_frame_equal(written.groups, found.groups)
    assert (written.eval_images is None) == (found.eval_images is None)
    if written.eval_images is not None and found.eval_images is not None:
        pd.testing.assert_frame_equal(written.eval_images, found.eval_images)
