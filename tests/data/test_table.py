"""DATA as a table: what a clean data set becomes, what a wrong layout is, how much memory it takes."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import maskcls
from tests.data.table_factory import MAN, OLD, WOMAN, refusal

if TYPE_CHECKING:
    from tests.data.conftest import Dataset


def test_images_have_all_columns_and_labels(dataset: "Dataset") -> None:
    images = dataset.read().images
    assert {name: str(dtype) for name, dtype in images.dtypes.items()} == {
        "path": "str",
        "person": "category",
        "shot": "category",
        "mask": "int8",
        "gender": "int8",
        "age": "int16",
        "age_group": "int8",
        "label": "int8",
        "size_bytes": "int64",
        "mtime_ns": "int64",
    }
    assert len(images) == 21
    assert list(images.index) == list(range(21))
    row = images[images["path"] == f"{WOMAN}/incorrect_mask.jpg"].iloc[0]
    assert (row.person, row.shot) == (WOMAN, "incorrect_mask")
    # 6 * incorrect + 3 * female + middle group
    assert (row["mask"], row.gender, row.age, row.age_group, row.label) == (1, 1, 45, 1, 10)
    file = dataset.images / row.path
    assert (row.size_bytes, row.mtime_ns) == (5, file.stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("shot", "label"), [("mask1", 2), ("mask5", 2), ("incorrect_mask", 8), ("normal", 14)]
)
def test_shot_decides_the_mask(dataset: "Dataset", shot: str, label: int) -> None:
    images = dataset.read().images
    rows = images[(images["person"] == OLD) & (images["shot"] == shot)]
    assert list(rows["label"]) == [label]


def test_people_are_sorted_and_counted(dataset: "Dataset") -> None:
    people = dataset.read().people
    assert {name: str(dtype) for name, dtype in people.dtypes.items()} == {
        "person": "str",
        "gender": "int8",
        "age": "int16",
        "age_group": "int8",
        "num_images": "int8",
    }
    assert people.to_numpy().tolist() == [
        [WOMAN, 1, 45, 1, 7],
        [MAN, 0, 18, 0, 7],
        [OLD, 0, 60, 2, 7],
    ]


def test_images_are_sorted_by_path_though_person_orders_otherwise(dataset: "Dataset") -> None:
    # "-" sorts before "/": a-1/normal.jpg comes before a/normal.jpg, but person a before a-1.
    dataset.write_csv("1,male,Asian,20,a", "2,female,Asian,30,a-1", "3,male,Asian,60,B")
    for name in ("a", "a-1", "B"):
        dataset.write_person(name)
    table = dataset.read()
    paths = list(table.images["path"])
    assert paths == sorted(paths)
    assert list(table.people["person"]) == ["B", "a", "a-1"]
    assert all(path.startswith(f"{who}/") for path, who in table.images[["path", "person"]].values)
    # The category's code is the person's row.
    codes = table.images["person"].cat.codes.to_numpy()
    for name in ("gender", "age", "age_group"):
        assert list(table.people[name].to_numpy()[codes]) == list(table.images[name])


def test_clean_data_has_no_findings_and_no_eval(dataset: "Dataset") -> None:
    table = dataset.read()
    assert table.findings == ()
    assert table.eval_images is None


@pytest.mark.parametrize("end", [".jpg", ".jpeg", ".jfif", ".png", ".JPG", ".JFIF", ".Png"])
def test_extensions_in_any_case(dataset: "Dataset", end: str) -> None:
    dataset.remove(f"train/images/{MAN}/normal.jpg")
    dataset.write_person(MAN, ["normal"], end)
    table = dataset.read()
    assert f"{MAN}/normal{end}" in set(table.images["path"])
    assert table.findings == ()


def test_no_data_folder(dataset: "Dataset") -> None:
    dataset.remove("")
    message = refusal(dataset)
    assert message.startswith("data: no such folder")
    assert "DATA/train/train.csv" in message


def test_file_instead_of_folder(dataset: "Dataset") -> None:
    dataset.remove("")
    dataset.root.write_bytes(b"zip")
    assert "a file, not a folder" in refusal(dataset)


def test_no_train_csv_says_what_the_layout_is(dataset: "Dataset") -> None:
    dataset.remove("train/train.csv")
    message = refusal(dataset)
    assert "no train/train.csv" in message
    assert "DATA/train/images/PERSON" in message


def test_pointing_at_train_gets_a_hint(dataset: "Dataset") -> None:
    message = refusal(type(dataset)(dataset.root / "train"))
    assert "did you mean its parent" in message


def test_no_images_folder(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    assert "no folder train/images" in refusal(dataset)


def test_no_image_at_all(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    dataset.write_person("stranger")
    assert "no image found" in refusal(dataset)


MEASURE = """
import io, resource, sys
from dataclasses import dataclass
from maskcls.core.labels import SHOTS
from maskcls.data.table import read_data
from tests.data.conftest import HEADER, PEOPLE, LocalFolder
from maskcls.data.table import read_data

@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    size_bytes: int
    mtime_ns: int
    is_file: bool

class Folder:
    location = shown = "made up"
    def __init__(self, num_people): self.num_people = num_people
    def names(self): return (f"{n:06d}_male_Asian_{18 + n % 43}" for n in range(self.num_people))
    def exists(self, name=""): return not name.startswith("eval")
    is_dir = exists
    def list(self, name="", recursive=False):
        if name == "train/images":
            return [Entry(folder, 0, 0, False) for folder in self.names()]
        return [Entry(shot + ".jpg", 20000, hash((name, shot)), True) for shot in SHOTS]
    def read_bytes(self, name):
        out = io.BytesIO(b"id,gender,race,age,path\\n")
        out.seek(0, 2)
        for folder in self.names():
            out.write(f"{folder[:6]},male,Asian,{folder[-2:]},{folder}\\n".encode())
        return out.getvalue()

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
unit = 1 if sys.platform == "darwin" else 1024
read_data(Folder(50))
before = peak()
table = read_data(Folder(25_572))
assert len(table.images) == 179_004
print((peak() - before) / len(table.images))
"""


def test_table_of_179000_images_stays_small() -> None:
    root = str(Path(maskcls.__file__).parent.parent)
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    # 134 bytes a row on x86-64 Linux, pandas 3.1, pyarrow 26; a list of the paths alone costs 100.
    assert float(done.stdout) < 170
