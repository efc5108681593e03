"""DATA as a table: what a clean data set becomes, what a wrong layout is, how much memory it takes."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import maskcls
from maskcls.core.errors import UserError
from maskcls.data.table import read_data
from maskcls.store.folder import Folder
from tests.data.table_factory import MAN, OLD, WOMAN, refusal

if TYPE_CHECKING:
    from tests.data.conftest import Dataset


def test_images_have_all_columns_and_labels(dataset: "Dataset") -> None:
    images = dataset.read().images
    assert {name: str(dtype) for name, dtype in images.dtypes.items()} == {
        "path": "str",
        "group": "category",
        "label": "int16",
        "shot": "category",
        "age": "int16",
        "size_bytes": "int64",
        "mtime_ns": "int64",
    }
    assert len(images) == 21
    assert list(images.index) == list(range(21))
    row = images[images["path"] == f"{WOMAN}/incorrect_mask.jpg"].iloc[0]
    assert (row.group, row.shot) == (WOMAN, "incorrect_mask")
    # 6 * incorrect + 3 * female + middle group
    assert (row.age, row.label) == (45, 10)
    file = dataset.images / row.path
    assert (row.size_bytes, row.mtime_ns) == (5, file.stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("shot", "label"), [("mask1", 2), ("mask5", 2), ("incorrect_mask", 8), ("normal", 14)]
)
def test_shot_decides_the_mask(dataset: "Dataset", shot: str, label: int) -> None:
    images = dataset.read().images
    rows = images[(images["group"] == OLD) & (images["shot"] == shot)]
    assert list(rows["label"]) == [label]


def test_people_are_sorted_and_counted(dataset: "Dataset") -> None:
    people = dataset.read().groups
    assert {name: str(dtype) for name, dtype in people.dtypes.items()} == {
        "group": "str",
        "num_images": "int32",
        "gender": "int16",
        "age": "int16",
    }
    # The codes of gender and age group, by which folds are stratified.
    assert people.to_numpy().tolist() == [[WOMAN, 7, 1, 1], [MAN, 7, 0, 0], [OLD, 7, 0, 2]]


def test_images_are_sorted_by_path_though_person_orders_otherwise(dataset: "Dataset") -> None:
    # "-" sorts before "/": a-1/normal.jpg comes before a/normal.jpg, but person a before a-1.
    dataset.write_csv("1,male,Asian,20,a", "2,female,Asian,30,a-1", "3,male,Asian,60,B")
    for name in ("a", "a-1", "B"):
        dataset.write_person(name)
    table = dataset.read()
    paths = list(table.images["path"])
    assert paths == sorted(paths)
    assert list(table.groups["group"]) == ["B", "a", "a-1"]
    assert all(path.startswith(f"{who}/") for path, who in table.images[["path", "group"]].values)
    # The category's code is the person's row.
    codes = table.images["group"].cat.codes.to_numpy()
    parts = table.task.codes_of(table.images["label"])
    for name in ("gender", "age"):
        assert list(table.groups[name].to_numpy()[codes]) == list(parts[name])


def test_clean_data_has_no_findings_and_no_eval(dataset: "Dataset") -> None:
    table = dataset.read()
    assert table.findings == ()
    assert table.eval_images is None


@pytest.mark.parametrize(
    "end",
    [
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".JPG",
        ".JFIF",
        ".Png",
        ".TIF",
    ],
)
def test_extensions_in_any_case(dataset: "Dataset", end: str) -> None:
    dataset.remove(f"train/images/{MAN}/normal.jpg")
    dataset.write_person(MAN, ["normal"], end)
    table = dataset.read()
    assert f"{MAN}/normal{end}" in set(table.images["path"])
    assert table.findings == ()


def test_no_data_folder(dataset: "Dataset") -> None:
    dataset.remove("")
    message = refusal(dataset)
    assert message == "data: no such folder; name the folder that holds the images"


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
    assert "did you mean the parent folder?" in message


def test_no_images_folder(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    assert "no folder train/images" in refusal(dataset)


def test_no_image_at_all(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    dataset.write_person("stranger")
    assert "no image found" in refusal(dataset)


TOML = """[task]
images = "images"
table = "train.csv"
image = "image"
[[part]]
name = "target"
from = "target"
values = ["0", "2"]
[answers]
columns = ["image", "target"]
values = "probability:1"
"""


def test_an_answer_of_no_class_is_refused_after_the_faults_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in "ab":
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"image")
    (tmp_path / "task.toml").write_text(TOML)
    (tmp_path / "train.csv").write_text("image,target\na.jpg,0\nb.jpg,1\n")
    with pytest.raises(UserError, match=r"^train\.csv line 3: "):
        read_data(Folder.at(str(tmp_path)))
    (tmp_path / "train.csv").write_text("image,target\na.jpg,0\nb.jpg,2\n")
    with pytest.raises(UserError, match="'1' is no class; the classes are 0, 2"):
        read_data(Folder.at(str(tmp_path)))


def test_a_file_stands_for_the_data_where_machines_ask_whether_they_reach_it(
    dataset: "Dataset", tmp_path: Path
) -> None:
    assert dataset.read().task.places.probe == "train/train.csv"
    for name in ("b/2.png", "a/1.png"):
        path = tmp_path / "classes" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"image")
    folder = Folder.at(str(tmp_path / "classes"))
    assert read_data(folder).task.places.probe == "a/1.png"


MEASURE = """
import io, resource, sys
from dataclasses import dataclass
from maskcls.core.mask import SHOTS
from maskcls.data.table import read_data
from maskcls.data.task_file import built_in

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
read_data(Folder(50), built_in("mask"))
before = peak()
table = read_data(Folder(25_572), built_in("mask"))
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
