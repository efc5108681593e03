"""How even folds of groups are, on made-up data in the shape of three public sets; and how fast.

SIIM-like: patients with many images, few positive. HAM-like: most lesions have one image, seven classes
of very different sizes. Camera-like: few places, some with thousands of images, and each with its own
mixture of classes.
"""

import ctypes
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from maskcls.folds.class_counts import ClassCounts
from maskcls.folds.greedy import assign_evenly

FOLDS = 5
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """Images with group and label, int64 [N]."""

    group: Int64
    label: Int64

    @property
    def num_classes(self) -> int:
        return int(self.label.max()) + 1


@dataclass(frozen=True)
class Evenness:
    """Shares relative to an even share, 1.0: of the folds' sizes, and of each class in each fold."""

    smallest: float
    largest: float
    class_least: float
    class_most: float
    mean: float

    @classmethod
    def of(cls, fold: Int64, shape: Shape) -> "Evenness":
        counts = np.zeros((shape.num_classes, FOLDS))
        np.add.at(counts, (shape.label, fold), 1)
        size = counts.sum(axis=0) / len(fold) * FOLDS
        share = counts / counts.sum(axis=1, keepdims=True) * FOLDS
        deviation = float(np.abs(share - 1).mean())
        return cls(
            *(float(x) for x in (size.min(), size.max(), share.min(), share.max())), deviation
        )

    def __str__(self) -> str:
        return (
            f"images {self.smallest:.2f}-{self.largest:.2f}, "
            f"class {self.class_least:.2f}-{self.class_most:.2f}, mean {self.mean:.3f}"
        )


def siim_like(seed: int) -> Shape:
    """32,954 images of 2,056 patients, 1.8 % positive, in a fifth of the patients."""
    rng = np.random.default_rng(seed)
    group = _groups(rng, 2056, 32954, deviation=0.8)
    risk = rng.gamma(0.2, 1.0, 2056)
    return Shape(group, (rng.random(len(group)) < 0.018 * (risk / risk.mean())[group]).astype(int))


def ham_like(seed: int) -> Shape:
    """10,015 images of 7,470 lesions, each of one of seven classes."""
    rng = np.random.default_rng(seed)
    shares = np.array([6705, 1113, 1099, 514, 327, 142, 115]) / 10015
    extra = rng.choice(7470, 10015 - 7470, p=rng.dirichlet(np.full(7470, 0.5)))
    group = np.concatenate([np.arange(7470), extra])
    return Shape(group, rng.choice(7, 7470, p=shares)[group])


def camera_like(seed: int) -> Shape:
    """113,019 images of 138 places, whose mixtures of 14 classes differ."""
    rng = np.random.default_rng(seed)
    group = _groups(rng, 138, 113019, deviation=1.3)
    mixture = rng.dirichlet(8 * rng.dirichlet(np.ones(14)) + 0.05, size=138)
    label = (rng.random((len(group), 1)) > mixture.cumsum(axis=1)[group]).sum(axis=1)
    _, label = np.unique(np.minimum(label, 13), return_inverse=True)
    return Shape(group, label)


def _groups(rng: np.random.Generator, num: int, images: int, deviation: float) -> Int64:
    """Group of each image, at least one image each; sizes log-normal."""
    size = rng.lognormal(0, deviation, num)
    more = rng.choice(num, images - num, p=size / size.sum())
    return np.concatenate([np.arange(num), more]).astype(np.int64)


SHAPES = {"SIIM-like": siim_like, "HAM-like": ham_like, "camera-like": camera_like}


def ours(shape: Shape, seed: int) -> Int64:
    """maskcls/folds/greedy.py."""
    codes, group = np.unique(shape.group, return_inverse=True)
    counts = ClassCounts.of(group, shape.label, len(codes), shape.num_classes)
    names = pd.Series([f"{code:08d}" for code in codes], dtype="str")
    return assign_evenly(names, counts, FOLDS, seed)[group].astype(np.int64)


def _sklearn(split: "StratifiedGroupKFold | GroupKFold", shape: Shape) -> Int64:
    fold = np.empty(len(shape.group), np.int64)
    nothing = np.zeros(len(shape.group))
    for number, (_, held_out) in enumerate(split.split(nothing, shape.label, shape.group)):
        fold[held_out] = number
    return fold


def stratified(shape: Shape, seed: int) -> Int64:
    """scikit-learn's StratifiedGroupKFold."""
    return _sklearn(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed), shape)


def by_size(shape: Shape, seed: int) -> Int64:
    """scikit-learn's GroupKFold, which does not look at classes."""
    del seed
    return _sklearn(GroupKFold(FOLDS), shape)


WAYS: dict[str, Callable[[Shape, int], Int64]] = {
    "ours": ours, "StratifiedGroupKFold": stratified, "GroupKFold": by_size
}  # fmt: skip


def run(seeds: int) -> None:
    """Print a line for each shape and way: the medians over the seeds of what `Evenness` has."""
    for name, shape_of in SHAPES.items():
        shapes = [shape_of(seed) for seed in range(seeds)]
        for way, draw in WAYS.items():
            start = time.process_time()
            found = [Evenness.of(draw(shape, seed), shape) for seed, shape in enumerate(shapes)]
            taken = (time.process_time() - start) / seeds
            rows = np.median([list(vars(one).values()) for one in found], axis=0)
            print(f"{name:12} {way:22} {Evenness(*rows)}; {taken:.2f} s", flush=True)


def speed(num_groups: int, mean_size: int, num_classes: int) -> None:
    """Print CPU time and memory of folds for so many groups."""
    rng = np.random.default_rng(0)
    group = _groups(rng, num_groups, num_groups * mean_size, deviation=0.6)
    kind = rng.integers(0, num_classes, num_groups)
    # A fifth of the images has another class than most of their group.
    label = np.where(
        rng.random(len(group)) < 0.2, rng.integers(0, num_classes, len(group)), kind[group]
    )
    names = pd.Series([f"{code:08d}" for code in range(num_groups)], dtype="str")
    codes, label = group.astype(np.int32), label.astype(np.int16)
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # or what is free already would not count as used
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = _memory_mib("VmRSS"), time.process_time()
    counts = ClassCounts.of(codes, label, num_groups, num_classes)
    fold = assign_evenly(names, counts, FOLDS, 0)[codes]
    taken, more = time.process_time() - start, _memory_mib("VmHWM") - before
    print(
        f"{len(group):,} images, {num_groups:,} groups, {num_classes} classes: {taken:.1f} s of CPU,"
        f" {more:.0f} MiB more than the table; {Evenness.of(fold, Shape(group, label.astype(np.int64)))}"
    )


def _memory_mib(name: str) -> float:
    """VmRSS: in use now; VmHWM: the peak."""
    (found,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) / 1024
