"""What each of two workers runs: `python two_workers.py RANK ROOT` writes ROOT/RANK.npz."""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from fold_factory import GREY, WHOLE, Notes, Plain, TinyRun, plain_learner, plain_plan

from maskcls.config.schema import Optim
from maskcls.core.streams import tickets
from maskcls.optim import factory
from maskcls.pixels.cache import CachePlace, open_cache
from maskcls.training import evaluate, seeding
from maskcls.training.device import ForwardContext, Precision
from maskcls.training.feed import Feed
from maskcls.training.fold import run_fold
from maskcls.training.loop import mean_loss_of, train_epoch
from maskcls.training.rank import Alone, Distributed, Rank

ROWS = np.arange(19, dtype=np.int64)[::-1].copy()
BATCH_SIZE = 7
SETS = ("cluster.workers_per_fold=2", "train.epochs=1")


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


def main(rank: int, root: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"file://{root}/meeting", timedelta(seconds=120), world_size=2, rank=rank
    )
    job = TinyRun.write(root, SETS).job  # as it is there already
    found = train_plain(job.pixels, Distributed())
    in_parts = train_plain(job.pixels, Distributed(), micro=2)
    found |= {f"micro_{name}": value for name, value in in_parts.items()}
    half = train_plain(job.pixels, Distributed(), micro=2, precision="float16")
    found |= {f"half_{name}": value for name, value in half.items()}
    notes = Notes()
    done = run_fold(job, Distributed(), notes)
    found["macro_f1"] = np.array(done.macro_f1)
    found["num_epochs_told"] = np.array(len(notes.epochs))
    np.savez(root / f"{rank}.npz", **found)
    torch.distributed.destroy_process_group()


def main_alone(place: CachePlace) -> dict[str, np.ndarray]:
    """The same training by a single worker."""
    return train_plain(place, Alone())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
