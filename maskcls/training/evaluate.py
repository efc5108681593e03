"""Every row's logits exactly once, in the order of the rows."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config.schema import Tta
from maskcls.core.labels import NUM_CLASSES
from maskcls.models.network import Network
from maskcls.training.device import Arithmetic
from maskcls.training.feed import Feed, Rows, share_of_rank
from maskcls.training.rank import Rank
from maskcls.training.views import views


def predict(
    model: Network,
    feed: Feed,
    rows: Rows,
    batch_size: int,
    rank: Rank,
    arithmetic: Arithmetic,
    tta: Tta,
    after_batch: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Logits of the given rows, float32 [len(rows), 18], the same on every worker.

    The logits are the mean over tta's views. The rows are shared out among the workers; the last
    batch is as long as it is. The model is left in evaluation mode. after_batch(rows done, rows of
    this worker) is told of every batch.
    """
    model.eval()
    mine = share_of_rank(rows, rank.index, rank.world)
    batches = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
    found = [torch.empty((0, NUM_CLASSES), device=arithmetic.device)]
    done = 0
    with torch.inference_mode():
        for batch, pixels_BCHW in zip(batches, feed.batches(batches), strict=True):
            found.append(_mean_logits(model, pixels_BCHW, arithmetic, tta))
            done += len(batch)
            if after_batch is not None:
                after_batch(done, len(mine))
    shares = [len(share_of_rank(rows, i, rank.world)) for i in range(rank.world)]
    whole = rank.gather(torch.cat(found).clone(), shares)
    logits: npt.NDArray[np.float32] = whole.to("cpu", torch.float32).numpy()
    return logits


def _mean_logits(
    model: Network, pixels_BCHW: torch.Tensor, arithmetic: Arithmetic, tta: Tta
) -> torch.Tensor:
    seen = [model.head.logits(arithmetic.forward(model, view)) for view in views(pixels_BCHW, tta)]
    return seen[0] if len(seen) == 1 else torch.stack(seen).mean(dim=0)
