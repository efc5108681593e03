"""One of two workers; `python -m tests.training.two_workers RANK ROOT CASE` writes CASE-RANK.npz."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch

from maskcls.config.schema import Optim
from maskcls.core.errors import Stopped
from maskcls.core.history import EpochEntry
from maskcls.core.random_streams import tickets
from maskcls.optim import factory
from maskcls.pixels.cache import CachePlace, open_cache
from maskcls.store import manifest
from maskcls.store.folder import Folder
from maskcls.training import evaluate, fold, seeding
from maskcls.training.device import ForwardContext, Precision
from maskcls.training.feed import Feed
from maskcls.training.fold import run_fold
from maskcls.training.loop import mean_loss_of, train_epoch
from maskcls.training.rank import Alone, Distributed, Rank
from tests.training.fold_factory import (
    GREY,
    WHOLE,
    Notes,
    Plain,
    TinyRun,
    plain_learner,
    plain_plan,
)

ROWS = np.arange(19, dtype=np.int64)[::-1].copy()
BATCH_SIZE = 7
SETS = ("cluster.workers_per_fold=2", "train.epochs=1")
LONGER = ("cluster.workers_per_fold=2", "train.epochs=2", "train.checkpoint_s=600")
AGREE_EVERY = 2
"""The tiny fold has too few steps for the real number."""


def train_plain(
    place: CachePlace, rank: Rank, micro: int | None = None, precision: Precision = "float32"
) -> dict[str, np.ndarray]:
    """Two epochs of a network without batch norm: parameters, mean loss, logits of ROWS.

    micro: most rows of one forward pass.
    """
    cached = open_cache(place)
    assert cached is not None
    seeding.seed_torch("initial values", 0)
    model = Plain()
    optimizer = factory.build(model, Optim(name="sgd", lr=0.01))
    feed = Feed([cached.pixels], torch.device("cpu"), channels_last=False)
    context = ForwardContext(torch.device("cpu"), precision, GREY)
    learner = plain_learner(
        model, optimizer, feed, model=rank.wrap(model), rank=rank, micro_batch_size=micro,
        forward_context=context, scaler=context.make_scaler(),
    )  # fmt: skip
    for epoch in range(2):
        order = ROWS[np.argsort(tickets(len(ROWS), "order", epoch))]
        loss_sum = torch.zeros((), dtype=torch.float64)
        train_epoch(learner, plain_plan(order), BATCH_SIZE, 0, loss_sum, lambda *report: None)
    found = {f"p{i}": p.detach().numpy() for i, p in enumerate(model.parameters())}
    found["loss"] = np.array(mean_loss_of(loss_sum, len(ROWS), rank, 0))
    found["logits"] = evaluate.predict(model, feed, ROWS, 4, rank, learner.forward_context, WHOLE)
    return found


def train(rank: int, root: Path) -> dict[str, np.ndarray]:
    """Plain networks, and a fold."""
    job = TinyRun.write(root, SETS).job  # as it is there already
    found = train_plain(job.pixels, Distributed())
    in_parts = train_plain(job.pixels, Distributed(), micro=2)
    found |= {f"micro_{name}": value for name, value in in_parts.items()}
    half = train_plain(job.pixels, Distributed(), micro=2, precision="float16")
    found |= {f"half_{name}": value for name, value in half.items()}
    notes = Notes()
    done = run_fold(job, Distributed(), notes)
    found["score"] = np.array(done.score)
    found["num_epochs"] = np.array(len(notes.epochs))
    return found


@dataclass
class StopAfterFirstStep(Notes):
    """A Watcher whose driver asks for a stop from the first step on, if it asks at all."""

    asks: bool = True

    def stop_requested(self) -> bool:
        return self.asks and bool(self.steps)


def stop_and_resume(rank: int, root: Path) -> dict[str, np.ndarray]:
    """A whole fold; one that rank 0 alone is asked to stop; one of which rank 1 alone is asked."""
    fold._AGREE_EVERY = AGREE_EVERY
    run_fold(TinyRun.write(root / "whole", LONGER).job, Distributed(), Notes())
    found = {}
    for asked in range(2):
        job = TinyRun.write(root / f"asked-{asked}", LONGER).job
        watcher, text = StopAfterFirstStep(asks=rank == asked), ""
        try:
            run_fold(job, Distributed(), watcher)
        except Stopped as e:
            text = str(e)
        found[f"asked_{asked}"] = np.array(text)
        found[f"asked_{asked}_steps"] = np.array([step[:2] for step in watcher.steps])
        notes = Notes()
        run_fold(job, Distributed(), notes)
        found[f"asked_{asked}_said"] = np.array(notes.said, dtype=str)
        found[f"asked_{asked}_first"] = np.array(notes.steps[:1])
    return found


def other_view(rank: int, root: Path) -> dict[str, np.ndarray]:
    """Resume a fold whose newest checkpoint one of the workers, 0 or 1, sees as damaged."""
    sound, found = manifest.why_invalid, {}
    for sees in range(2):
        job = TinyRun.write(root / f"sees-{sees}", LONGER).job
        with suppress(Ended):
            run_fold(job, Distributed(), EndAfterLastEpoch())

        def damaged(folder: Folder, name: str) -> str | None:
            return "as it seems" if name == "epoch-0002" else sound(folder, name)

        if rank == sees:
            manifest.why_invalid = damaged
        notes = SoundAgain()
        run_fold(job, Distributed(), notes)
        found[f"sees_{sees}_said"] = np.array(notes.said, dtype=str)
        found[f"sees_{sees}_steps"] = np.array(len(notes.steps))
        manifest.why_invalid = sound
    return found


class Ended(Exception):
    """What a kill of both workers is."""


class EndAfterLastEpoch(Notes):
    """A Watcher that ends both workers when the last epoch is done."""

    def epoch_done(self, entry: EpochEntry) -> None:
        if entry.epoch == 2:
            raise Ended


class SoundAgain(Notes):
    """A Watcher after whose resumption all checkpoints are seen as they are."""

    sound = staticmethod(manifest.why_invalid)

    def say(self, text: str) -> None:
        super().say(text)
        if text.startswith("resumes"):
            manifest.why_invalid = self.sound


CASES = {"train": train, "stop": stop_and_resume, "view": other_view}


def main(rank: int, root: Path, case: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"file://{root}/meeting-{case}", timedelta(seconds=120), world_size=2, rank=rank
    )
    np.savez(root / f"{case}-{rank}.npz", **CASES[case](rank, root))
    torch.distributed.destroy_process_group()


def main_alone(place: CachePlace) -> dict[str, np.ndarray]:
    """The same training by a single worker."""
    return train_plain(place, Alone())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
