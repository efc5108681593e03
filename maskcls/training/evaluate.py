"""Every row's logits exactly once, in the order of the rows."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from maskcls.config.schema import Tta
from maskcls.models.network import Network
from maskcls.training.device import ForwardContext
from maskcls.training.feed import Feed, Rows, share_of_rank
from maskcls.training.rank import Rank


def predict(
    model: Network,
    feed: Feed,
    rows: Rows,
    batch_size: int,
    rank: Rank,
    forward_context: ForwardContext,
    tta: Tta,
    after_batch: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Logits of the given rows, float32 [len(rows), K], the same on every worker.

    The logits are the mean over tta's views. The rows are divided among the workers; the last batch
    may be shorter. The model is left in evaluation mode. after_batch(rows done, rows of
    this worker) is called after every batch.
    """
    model.eval()
    mine = share_of_rank(rows, rank.index, rank.world)
    batches = [mine[i : i + batch_size] for i in range(0, len(mine), batch_size)]
    # An empty first part, so that a worker without rows has something to concatenate, too.
    found = [torch.empty((0, model.head.num_classes), device=forward_context.device)]
    done = 0
    with torch.inference_mode():
        for batch, pixels_BCHW in zip(batches, feed.batches(batches), strict=True):
            found.append(_mean_logits(model, pixels_BCHW, forward_context, tta))
            done += len(batch)
            if after_batch is not None:
                after_batch(done, len(mine))
    # Computed, not communicated: every worker knows all rows, and gather needs all lengths.
    shares = [len(share_of_rank(rows, i, rank.world)) for i in range(rank.world)]
    whole = rank.gather(torch.cat(found).clone(), shares)
    logits: npt.NDArray[np.float32] = whole.to("cpu", torch.float32).numpy()
    return logits


def _mean_logits(
    model: Network, pixels_BCHW: torch.Tensor, forward_context: ForwardContext, tta: Tta
) -> torch.Tensor:
    # The mean of logits, not of probabilities: logits are what is stored, and what an ensemble
    # combines by a rule of its own.
    seen = [
        model.head.logits(forward_context.forward(model, view)) for view in views(pixels_BCHW, tta)
    ]
    # A single view is returned as it is: without tta no operation may touch the logits.
    return seen[0] if len(seen) == 1 else torch.stack(seen).mean(dim=0)


def views(pixels_BCHW: torch.Tensor, settings: Tta) -> Iterator[torch.Tensor]:
    """Each view of a batch, of the same shape, uint8 or float32 in 0..255; at least one.

    With 5 crops: the centre and the four corners, resized to the whole; with flip each of them also
    mirrored.
    """
    for view in _crops(pixels_BCHW, settings):
        yield view
        if settings.flip:
            yield view.flip(3)


def _crops(pixels_BCHW: torch.Tensor, settings: Tta) -> Iterator[torch.Tensor]:
    if settings.crops == 1:
        yield pixels_BCHW
        return
    height, width = pixels_BCHW.shape[2:]
    # At least one pixel: a small share of a small image would round to nothing.
    h, w = max(1, round(height * settings.share)), max(1, round(width * settings.share))
    down, right = height - h, width - w
    for top, left in ((down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)):
        crop = pixels_BCHW[:, :, top : top + h, left : left + w].float()
        yield functional.interpolate(
            crop, size=(height, width), mode="bilinear", align_corners=False
        )
