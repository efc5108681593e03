"""eval/ beside train/: order, missing and stray files, ids without extension."""

import unicodedata
from typing import TYPE_CHECKING

import pytest

from maskcls.data.table import read_data
from tests.data.conftest import LocalFolder
from tests.data.table_factory import eval_paths, findings, refusal

if TYPE_CHECKING:
    from tests.data.conftest import Dataset


def test_eval_keeps_the_order_of_info_csv(dataset: "Dataset") -> None:
    dataset.write_eval("b.jpg", "c.jpg", "a.jpg", files=["a.jpg", "b.jpg"])
    table = dataset.read()
    frame = table.eval_images
    assert frame is not None
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "image": "str",
        "found": "bool",
        "path": "str",
        "size_bytes": "int64",
        "mtime_ns": "int64",
    }
    mtimes = [(dataset.root / "eval/images" / n).stat().st_mtime_ns for n in ("a.jpg", "b.jpg")]
    assert frame.to_numpy().tolist() == [
        ["b.jpg", True, "b.jpg", 5, mtimes[1]],
        ["c.jpg", False, "", 0, 0],
        ["a.jpg", True, "a.jpg", 5, mtimes[0]],
    ]
    assert [(one.kind, one.where) for one in table.findings] == [("eval_missing", "eval/info.csv")]
    assert "1 of 3 in all: c.jpg (line 3)" in table.findings[0].text


def test_extra_eval_files_are_counted_and_three_named(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["a.jpg", "p.jpg", "q.jpg", "r.jpg", "s.jpg"])
    found = findings(dataset, "eval_extra")
    assert found == [
        "eval/images: not in info.csv, not used, 4 in all: p.jpg, q.jpg, r.jpg and 1 more"
    ]


def test_many_missing_eval_files_are_counted_and_three_named(dataset: "Dataset") -> None:
    names = [f"{n}.jpg" for n in range(10)]
    dataset.write_eval(*names, files=names[5:])
    (found,) = findings(dataset, "eval_missing")
    assert "5 of 10 in all: 0.jpg (line 2), 1.jpg (line 3), 2.jpg (line 4) and 2 more" in found


@pytest.mark.parametrize("num_there", [0, 1, 4])
def test_most_of_eval_missing_is_refused_before_anything_is_trained(
    dataset: "Dataset", num_there: int
) -> None:
    names = [f"{n}.jpg" for n in range(9)]
    there = [*names[:num_there], "x.jpg", "y.jpg"]
    dataset.write_eval(*names, files=there)
    message = refusal(dataset)
    assert message.startswith(f"eval/info.csv: not in eval/images, {9 - num_there} of 9 in all: ")
    assert f"{num_there}.jpg (line {num_there + 2})" in message
    assert "files there that eval/info.csv does not name: x.jpg, y.jpg" in message
    assert "remove eval" in message


def test_an_empty_folder_of_eval_images_is_refused(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=[])
    (dataset.root / "eval/images").mkdir()
    assert "1 of 1 in all: a.jpg (line 2); add the images" in refusal(dataset)


def test_where_eval_is_not_needed_all_of_it_may_be_missing(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["b.jpg"])
    table = read_data(LocalFolder(dataset.root), needs_eval=False)
    assert [one.kind for one in table.findings] == ["eval_extra", "eval_missing"]


def test_image_ids_without_extension_are_found(dataset: "Dataset") -> None:
    dataset.write_eval("b", "a.v2", "c.jpg", "d", files=["b.JPG", "a.v2.png", "c.jpg", "d"])
    assert eval_paths(dataset) == {"b": "b.JPG", "a.v2": "a.v2.png", "c.jpg": "c.jpg", "d": "d"}
    assert dataset.read().findings == ()


@pytest.mark.parametrize("second", ["a.png", "a.JPG", "a.jfif", "a.webp"])
def test_an_image_id_that_may_be_two_files_is_refused(dataset: "Dataset", second: str) -> None:
    dataset.write_eval("b", "a", files=["b.jpg", "a.jpg", second])
    message = refusal(dataset)
    assert message.startswith("eval/info.csv line 3: ImageID 'a' may be ")
    assert "a.jpg" in message
    assert second in message


def test_a_file_goes_to_the_row_that_names_it_whole(dataset: "Dataset") -> None:
    dataset.write_eval("a", "a.jpg", "b", files=["a.jpg", "b.png", "b.txt"])
    assert eval_paths(dataset) == {"a": "", "a.jpg": "a.jpg", "b": "b.png"}
    dataset.write_eval("a", "b", files=["a", "a.jpg", "b.png"])
    assert eval_paths(dataset) == {"a": "a", "b": "b.png"}


def test_eval_needs_no_ans_and_tolerates_more_columns(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg")
    dataset.write_bytes("eval/info.csv", b"path,ImageID\nx,a.jpg\n")
    assert findings(dataset, "columns") == ["eval/info.csv line 1: columns not used: path"]


def test_eval_name_matches_in_either_form(dataset: "Dataset") -> None:
    written, on_disk = (unicodedata.normalize(form, "사진.jpg") for form in ("NFC", "NFD"))
    dataset.write_eval(written, files=[on_disk])
    frame = dataset.read().eval_images
    assert frame is not None
    assert frame[["image", "found", "path"]].to_numpy().tolist() == [[written, True, on_disk]]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (b"ImageID,ans\na.jpg,0\nb.jpg,0\na.jpg,0\n", ["line 4", "a.jpg", "line 2, too"]),
        (b"ImageID,ans\nx/a.jpg,0\n", ["line 2", "'x/a.jpg'"]),
        (b"ImageID,ans\n..\\a.jpg,0\n", ["line 2"]),
        (b"ImageID,ans\n,0\n", ["line 2", "''"]),
        (b"ImageID,ans\na.jpg\n", ["line 2", "1 fields"]),
        (b"Image,ans\na.jpg,0\n", ["no column ImageID", "Image,ans"]),
        (b"ImageID,ans\n", ["no rows"]),
        (b"", ["is empty"]),
    ],
)
def test_bad_info_csv_is_refused(dataset: "Dataset", info: bytes, words: list[str]) -> None:
    dataset.write_eval("a.jpg")
    dataset.write_bytes("eval/info.csv", info)
    message = refusal(dataset)
    assert message.startswith("eval/info.csv")
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ("eval/info.csv", "eval/images is there but eval/info.csv is not"),
        ("eval/images", "eval/info.csv is there but eval/images is not"),
    ],
)
def test_half_an_eval_is_refused(dataset: "Dataset", removed: str, words: str) -> None:
    dataset.write_eval("a.jpg")
    dataset.remove(removed)
    assert words in refusal(dataset)


def test_empty_eval_folder_is_reported(dataset: "Dataset") -> None:
    (dataset.root / "eval").mkdir()
    table = dataset.read()
    assert table.eval_images is None
    assert [one.kind for one in table.findings] == ["eval_empty"]
