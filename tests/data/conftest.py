"""A tiny data set in the competition's layout, and a folder that lists its files in reverse order."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from maskcls.core.mask import SHOTS
from maskcls.data.table import Table, read_data
from tests.data.task_data import TaskData

HEADER = "id,gender,race,age,path"
PEOPLE = (
    "000001,female,Asian,45,000001_female_Asian_45",
    "000002,male,Asian,18,000002_male_Asian_18",
    "000600-1,male,Asian,60,000600-1_male_Asian_60",
)


@dataclass(frozen=True)
class LocalEntry:
    name: str
    size_bytes: int
    mtime_ns: int
    is_file: bool


@dataclass(frozen=True)
class LocalFolder:
    root: Path

    @property
    def location(self) -> str:
        return str(self.root)

    @property
    def shown(self) -> str:
        return self.root.name

    def exists(self, name: str = "") -> bool:
        return (self.root / name).exists()

    def is_dir(self, name: str = "") -> bool:
        return (self.root / name).is_dir()

    def list(self, name: str = "", recursive: bool = False) -> Sequence[LocalEntry]:
        top = self.root / name
        found = sorted(top.rglob("*") if recursive else top.glob("*"), reverse=True)
        stats = [(path, path.stat()) for path in found]
        return [
            LocalEntry(
                path.relative_to(top).as_posix(), stat.st_size, stat.st_mtime_ns, path.is_file()
            )
            for path, stat in stats
        ]

    def read_bytes(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@dataclass(frozen=True)
class Dataset:
    """Data on disk that a test bends as it needs, then reads."""

    root: Path

    @property
    def images(self) -> Path:
        return self.root / "train" / "images"

    def read(self) -> Table:
        return read_data(LocalFolder(self.root))

    def write_csv(self, *rows: str, header: str = HEADER) -> None:
        """train.csv with these rows (without any: those of PEOPLE)."""
        self.write_bytes("train/train.csv", "\n".join((header, *(rows or PEOPLE), "")).encode())

    def write_bytes(self, name: str, data: bytes = b"image") -> None:
        """One file; the table decodes no image, so any bytes will do."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def write_person(self, folder: str, shots: Iterable[str] = SHOTS, end: str = ".jpg") -> None:
        for shot in shots:
            self.write_bytes(f"train/images/{folder}/{shot}{end}")

    def write_eval(self, *ids: str, files: Iterable[str] | None = None) -> None:
        rows = "".join(f"{image_id},0\n" for image_id in ids)
        self.write_bytes("eval/info.csv", f"ImageID,ans\n{rows}".encode())
        for name in ids if files is None else files:
            self.write_bytes(f"eval/images/{name}")

    def remove(self, name: str) -> None:
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three people with seven images each, no eval."""
    data = Dataset(tmp_path / "data")
    data.write_csv()
    for row in PEOPLE:
        data.write_person(row.rpartition(",")[2])
    return data


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    """An empty folder to list."""
    return LocalFolder(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> TaskData:
    """An empty data folder of any task."""
    (tmp_path / "data").mkdir()
    return TaskData(tmp_path / "data")
