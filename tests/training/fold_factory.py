"""A run's folder as the driver leaves it for the folds' workers: tables, and pixels in the cache."""

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from maskcls.config.resolve import resolve
from maskcls.config.schema import Tta
from maskcls.core.history import EpochEntry
from maskcls.core.mask import class_of
from maskcls.folds.assign import assign_folds, fold_table
from maskcls.folds.names import group_digests
from maskcls.models.backbone import Normalization
from maskcls.models.heads.base import Losses
from maskcls.models.heads.single import SingleHead
from maskcls.models.network import Network
from maskcls.pixels import cache
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.sampling.epoch import Epoch
from maskcls.store.folder import Folder
from maskcls.store.run import Fold, Run
from maskcls.store.tables import logits_of, read_arrow, write_table
from maskcls.training.device import ForwardContext
from maskcls.training.feed import Feed
from maskcls.training.job import FoldJob
from maskcls.training.loop import EpochPlan, Learner
from maskcls.training.objective import RowTargets
from maskcls.training.rank import Alone
from tests.tasks import MASK

SETS = (
    "model.backbone=test_efficientnet",
    "image.size=32x32",
    "folds.count=2",
    "train.epochs=2",
    "train.batch_size=8",
    "train.checkpoint_s=1e-9",
)
NUM_PEOPLE, NUM_EVAL, FAULTY_ROW = 12, 5, 3
NUM_STEPS = 3
"""Updates an epoch in fold 0: at most 18 rows at 8."""


@dataclass(frozen=True)
class TinyRun:
    """Twelve people with three images each in two folds; one image cannot be decoded."""

    folder: Folder
    job: FoldJob

    @classmethod
    def write(cls, root: Path, sets: Sequence[str] = ()) -> "TinyRun":
        """A new run in root/run; its pixels in root/cache may be there already."""
        config = resolve("smoke", sets=[*SETS, *sets])
        geometry = Geometry(config.image.crop, config.image.size)
        run = Folder.at(root / "run")
        num_rows = write_people(run, NUM_PEOPLE, config.folds.count, config.folds.seed)
        pixels = fill(root / "cache", geometry, num_rows, seed=1, faults=(FAULTY_ROW,))
        eval_pixels = fill(root / "cache", geometry, NUM_EVAL, seed=2, faults=(0,))
        job = FoldJob(
            task=MASK,
            run=run.location,
            data=run.location,
            fold=0,
            config=config,
            pixels=pixels,
            eval_pixels=eval_pixels,
            device="cpu",
            threads=1,
        )
        return cls(run, job)

    @property
    def checkpoints(self) -> Folder:
        return self.files.checkpoints

    @property
    def files(self) -> Fold:
        """The fold's files."""
        return Run(self.folder).fold(self.job.fold)

    def with_config(self, section: str, **values: Any) -> FoldJob:
        """The job with other settings."""
        changed = replace(getattr(self.job.config, section), **values)
        return replace(self.job, config=replace(self.job.config, **{section: changed}))

    def read(self, name: str) -> bytes:
        """A file of the fold's folder."""
        return self.files.folder.read_bytes(name)

    def logits(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and logits of one of the fold's parquet files."""
        table = read_arrow(self.files.folder, name)
        return table["row"].to_numpy(), logits_of(table["logits"], 18)[0]


def write_people(run: Folder, num_people: int, num_folds: int, seed: int) -> int:
    """Table and folds of people with three images each, as a run of the mask task has them.

    Returns the number of images.
    """
    groups = pd.DataFrame(
        {
            "group": [f"{i:06}_person" for i in range(num_people)],
            "gender": np.arange(num_people, dtype=np.int16) % 2,
            "age": np.arange(num_people, dtype=np.int16) // 2 % 3,
        }
    )
    rows = groups.loc[groups.index.repeat(3)].reset_index(drop=True)
    mask = np.arange(len(rows)) % 3
    label = class_of(mask, rows["gender"].to_numpy(np.int64), rows["age"].to_numpy(np.int64))
    table = pd.DataFrame(
        {
            "path": [f"{p}/{m}.jpg" for p, m in zip(rows["group"], mask, strict=True)],
            "group": pd.Categorical(rows["group"], categories=groups["group"]),
            "group_digest": group_digests(rows["group"]),
            "label": label.astype(np.int16),
            "train_label": label.astype(np.int16),
            "train_age": np.array([25, 45, 60], np.int16)[rows["age"]],
        }
    )
    write_table(run, "table.parquet", table)
    folds = assign_folds(groups, MASK, num_folds, seed)
    write_table(run, "folds.parquet", fold_table(groups, MASK, folds))
    return len(rows)


def fill(
    root: Path, geometry: Geometry, num_rows: int, seed: int, faults: Sequence[int] = ()
) -> CachePlace:
    """Noise as decoded images, in a whole cache."""
    digests = np.full((num_rows, 16), seed, np.uint8)
    place = cache.cache_place(root, digests, geometry)
    if cache.open_cache(place) is None:
        with cache.building_lock(place, lambda text: None):
            file = cache.start_building(place)
            images = noise(place, seed, faults)
            cache.finish_building(place, [cache.fill_chunk(file, place, 0, images)])
    return place


def noise(place: CachePlace, seed: int, faults: Sequence[int]) -> Iterator[np.ndarray | str]:
    """Images that a network can tell apart."""
    generator = np.random.default_rng(seed)
    for row in range(place.rows):
        image = generator.integers(0, 256, place.shape[1:], dtype=np.uint8)
        yield "the file is empty" if row in faults else image


@dataclass
class Notes:
    """A Watcher that remembers what was reported to it."""

    said: list[str] = field(default_factory=list)
    epochs: list[EpochEntry] = field(default_factory=list)
    steps: list[tuple[int, int, int, int]] = field(default_factory=list)

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        self.steps.append((epoch, step, num_steps, images))

    def predicted(self, rows: int, num_rows: int) -> None:
        pass

    def epoch_done(self, entry: EpochEntry) -> None:
        self.epochs.append(entry)

    def say(self, text: str) -> None:
        self.said.append(text)

    def stop_requested(self) -> bool:
        return False


class Killed(Exception):
    """What a kill is in these tests."""


@dataclass
class KillAt(Notes):
    """A Watcher that ends the fold after an update, or after an epoch (step 0)."""

    epoch: int = 0
    step: int = 0

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        super().step_done(epoch, step, num_steps, images)
        if (epoch, step) == (self.epoch, self.step):
            raise Killed

    def epoch_done(self, entry: EpochEntry) -> None:
        super().epoch_done(entry)
        if (entry.epoch - 1, 0) == (self.epoch, self.step):
            raise Killed


def timeless(history: bytes) -> list[dict[str, Any]]:
    """The lines of history.jsonl, less what differs between two equal trainings."""
    entries = [json.loads(line) for line in history.splitlines()]
    return [{k: v for k, v in e.items() if k != "time" and not k.endswith("_s")} for e in entries]


def assert_same(run: TinyRun, whole: TinyRun) -> None:
    """Two folds of the same settings are bit-identical: every epoch's logits, weights, history."""
    done, expected = run.files.result(), whole.files.result()
    assert done is not None
    assert expected is not None
    assert replace(done, time_s={}) == replace(expected, time_s={})
    names = [run.files.held_out_name(epoch) for epoch in range(1, expected.epochs + 1)]
    for name in [*names, "eval_logits.parquet"]:
        assert run.read(name) == whole.read(name)
    last = f"epoch-{expected.epochs:04d}/model.safetensors"
    assert run.checkpoints.read_bytes(last) == whole.checkpoints.read_bytes(last)
    assert timeless(run.read("history.jsonl")) == timeless(whole.read("history.jsonl"))


class Plain(Network):
    """A network without batch norm: what a row gives does not depend on its company."""

    def __init__(self, dropout: float = 0.0) -> None:
        body = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Dropout(dropout), nn.Flatten()
        )
        super().__init__(body, SingleHead(4 * 8 * 8, 18))


WHOLE = Tta()
"""No views but the image itself."""


def plain_learner(
    network: Network, optimizer: torch.optim.Optimizer, feed: Feed, **options: Any
) -> Learner:
    """A learner on the CPU for rows whose class is their number modulo 18."""
    numbers = torch.arange(1000)
    given = {
        "model": network,
        "average": None,
        "targets": RowTargets(numbers % 18, 18 + numbers % 43, MASK),
        "forward_context": ForwardContext(torch.device("cpu"), "float32", GREY),
        "rank": Alone(),
        "micro_batch_size": None,
        "clip_norm": 0.0,
        "only_copies": False,
    }
    return Learner(network=network, optimizer=optimizer, feed=feed, **(given | options))


def plain_plan(order: np.ndarray, lr: float = 0.01) -> EpochPlan:
    """Cross entropy on some rows in their order, at one rate."""
    losses = Losses(functools.partial(nn.functional.cross_entropy, reduction="none"), {})
    epoch = Epoch(order, np.zeros(len(order), np.int64))
    return EpochPlan(epoch, losses, None, lambda step, num_steps: lr)


GREY = Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
