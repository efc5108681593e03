"""Fashion-MNIST (Zalando, MIT licence): 10,000 of its images of clothes, 28x28 grey, 10 classes."""

import csv
import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

PACKAGES = ("dataset-fashion-mnist",)
CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip
"""In the order of the set's own numbers."""
_PLACE = "usr/share/datasets/fashion-mnist"


def write(source: Path, out: Path, count: int = 10_000) -> None:
    """Write train.csv (image, label) and images/; source: where the package was unpacked.

    count: how many of the 60,000 training images, drawn with a fixed seed; in the set's order.
    """
    place = source / _PLACE
    pixels_NHW = read_idx((place / "train-images-idx3-ubyte.gz").read_bytes())
    labels_N = read_idx((place / "train-labels-idx1-ubyte.gz").read_bytes())
    chosen = np.sort(np.random.default_rng(20).permutation(len(labels_N))[:count])
    (out / "images").mkdir(parents=True)
    with (out / "train.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "label"])
        for number in chosen.tolist():
            name = f"{number:05d}.png"
            Image.fromarray(pixels_NHW[number]).save(out / "images" / name)
            table.writerow([name, CLASSES[labels_N[number]]])


def read_idx(packed: bytes) -> npt.NDArray[np.uint8]:
    """A gzipped IDX file of bytes: two zeros, type 8, number of axes, a big-endian size each, data."""
    data = gzip.decompress(packed)
    if data[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of unsigned bytes")
    axes = data[3]
    shape = np.frombuffer(data, ">u4", axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(tuple(shape.tolist()))
