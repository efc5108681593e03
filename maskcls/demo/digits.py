"""Writes scikit-learn's handwritten digits as folders of classes: the demo on real pictures.

folder/train/<digit>/<number>.png   number: place in scikit-learn's table, 0000 to 1796
folder/test/<digit>/<number>.png    every fifth image of each digit; its folder is its label
folder/truth.csv                    image,label of test/, for scoring at the end only
folder/demo.json                    written last, so its presence means "complete"

1,797 grey images of 8x8 pixels, 174 to 183 of each digit (E. Alpaydin, C. Kaynak: Optical Recognition of
Handwritten Digits, UCI, 1998). Who wrote which is not recorded, so there are no groups.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskcls.core.errors import UserError
from maskcls.demo.dataset import DemoData

GENERATOR = "maskcls demo digits"
TEST_EVERY = 5
_LARGEST = 16
"""Of a pixel in scikit-learn's table."""
_STAMP, _UNFINISHED = "demo.json", "demo.json.part"


def write_digits(folder: Path, test_every: int = TEST_EVERY) -> DemoData:
    """Write the digits as a data folder; the same arguments give the same bytes.

    test_every: 5 puts every fifth image of each digit into test/, 0 none. Takes about a second. A folder
    that already has them is left as it is; one of an interrupted call is completed. Nothing is ever
    deleted.
    Raises UserError for a negative test_every, and for a folder with other content.
    """
    if test_every < 0 or test_every == 1:
        raise UserError(f"digits: test_every is {test_every}; it must be 0, or 2 or more")
    made_by: dict[str, str | int] = {"generator": GENERATOR, "test_every": test_every}
    pixels_NHW, labels_N = _digits()
    test_N = np.zeros(len(labels_N), dtype=bool)
    # Within each digit: the table repeats 0 to 9, so every fifth row would hold few of the digits.
    for digit in range(10) if test_every else ():
        test_N[np.flatnonzero(labels_N == digit)[test_every - 1 :: test_every]] = True
    data = DemoData(folder, int((~test_N).sum()), int(test_N.sum()), folder / "truth.csv")
    if _holds(folder, made_by):
        return data

    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / _UNFINISHED
    unfinished.write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
    answers = ["image,label"]
    for number, (pixels_HW, label, is_test) in enumerate(
        zip(pixels_NHW, labels_N.tolist(), test_N.tolist(), strict=True)
    ):
        name = f"{label}/{number:04d}.png"
        file = folder / ("test" if is_test else "train") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HW).save(file)
        if is_test:
            answers.append(f"{name},{label}")
    if test_every:
        data.truth.write_text("\n".join(answers) + "\n", encoding="utf-8")
    # Renamed at the very end: a folder with demo.json has all the rest.
    unfinished.replace(folder / _STAMP)
    return data


def _digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pixels [1797, 8, 8], 0 to 255 (white on black, as in the table), and labels 0 to 9."""
    from sklearn.datasets import load_digits  # takes a second, which only this demo should wait for

    table = load_digits()
    pixels = np.asarray(np.rint(table.images * (255 / _LARGEST)), dtype=np.uint8)
    return pixels, np.asarray(table.target, dtype=np.int64)


def _holds(folder: Path, made_by: dict[str, str | int]) -> bool:
    """Whether these digits are in folder, complete. Raises UserError for other content."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a new or an empty folder for the demo")
    if not folder.exists() or not any(folder.iterdir()):
        return False
    for name in (_STAMP, _UNFINISHED):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            continue
        if found == made_by:
            return name == _STAMP
        raise UserError(f"{folder}: has another demo; delete it or name another folder")
    raise UserError(f"{folder}: is not empty and not a demo; name a new or an empty folder")
