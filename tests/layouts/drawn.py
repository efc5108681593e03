"""What a drawn competition consists of: pictures, tables, a task file; and what must come of it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLE = "sample_submission.csv"


@dataclass(frozen=True)
class Expected:
    """What the task and its answers must be.

    classes: in the order of their numbers. images: to train on. groups: None where none are named.
    header: of the answer file. rows: what its first column holds, in order. values: "value",
    "probability" or "probabilities".
    """

    classes: tuple[str, ...]
    images: int
    groups: int | None
    metric: str
    header: tuple[str, ...]
    rows: tuple[str, ...]
    values: str


@dataclass
class Data:
    """A data folder being written."""

    folder: Path
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(14))

    def picture(self, path: str, k: int, width: int = 20, height: int = 20) -> None:
        """Noise on a ground whose colour is the class's; the extension gives the format."""
        ground = np.array([40 + 37 * k % 160, 200 - 53 * k % 160, 60 + 91 * k % 160])
        noise = self.rng.integers(-30, 31, (height, width, 3))
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((ground + noise).clip(0, 255).astype(np.uint8)).save(file)

    def table(self, path: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        (self.folder / path).write_text(text.getvalue(), encoding="utf-8")

    def sample(self, header: Sequence[str], ids: Sequence[str], *values: object) -> None:
        """The sample submission, the same values in each row."""
        self.table(SAMPLE, header, ([one, *values] for one in ids))

    def task(self, text: str) -> None:
        (self.folder / "task.toml").write_text(text, encoding="utf-8")
