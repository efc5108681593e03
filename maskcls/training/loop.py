"""One epoch of updates. Loss and counts stay on the device until the epoch ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from maskcls.losses.base import Loss
from maskcls.training.device import Arithmetic
from maskcls.training.feed import Feed, Rows, batches_of_epoch, share_of_rank
from maskcls.training.rank import Rank


class TrainingDiverged(RuntimeError):
    """The loss is no number any more; retrying would give the same."""


@dataclass
class Learner:
    """What an update needs; model is the wrapped one under DDP."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    feed: Feed
    arithmetic: Arithmetic
    rank: Rank


def train_epoch(
    learner: Learner,
    order: Rows,
    targets: npt.NDArray[np.int64],
    batch_size: int,
    first_step: int,
    loss_sum: torch.Tensor,
    after_step: Callable[[int, int, int], None],
) -> torch.Tensor:
    """Train on the rows in their order, from update first_step on; returns the sum of row losses.

    order: rows of this epoch, a permutation of the training rows. targets: class of every row of
    the table. loss_sum: scalar on the device, of the updates before first_step.
    after_step(steps_done, num_steps, images_done) may write a checkpoint and must not touch the
    random stream.
    """
    rank, device = learner.rank, learner.arithmetic.device
    batches = batches_of_epoch(order, batch_size)
    mine = [share_of_rank(b, rank.index, rank.world) for b in batches]
    learner.model.train()
    images = sum(len(b) for b in batches[:first_step])
    for step, pixels_BCHW in enumerate(learner.feed.batches(mine[first_step:]), first_step):
        target_B = torch.from_numpy(targets[mine[step]]).to(device, non_blocking=True)
        logits_BK = learner.arithmetic.forward(learner.model, pixels_BCHW)
        row_loss_B = learner.loss(logits_BK, target_B)
        # DDP averages the workers' gradients; weighted like this their mean is that of the batch,
        # however unequal the shares are.
        mean_loss = row_loss_B.sum() * (rank.world / len(batches[step]))
        learner.optimizer.zero_grad(set_to_none=True)
        mean_loss.backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()
        loss_sum += row_loss_B.detach().sum()
        images += len(batches[step])
        after_step(step + 1, len(batches), images)
    return loss_sum


def mean_loss_of(loss_sum: torch.Tensor, num_rows: int, rank: Rank, epoch: int) -> float:
    """Mean row loss of an epoch over all workers; TrainingDiverged when it is no finite number."""
    mean = float(rank.sum(loss_sum)) / num_rows
    require_finite("training loss", np.array(mean), epoch)
    return mean


def require_finite(what: str, values: npt.NDArray[Any], epoch: int) -> None:
    """TrainingDiverged when one of the numbers is none, or infinite; epoch counts from 0."""
    wrong = values[~np.isfinite(values)]
    if len(wrong):
        raise TrainingDiverged(
            f"the {what} became {wrong[0]} in epoch {epoch + 1};"
            " lower optim.lr or set train.precision=float32"
        )


class Interval:
    """Says when some seconds have passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def passed(self) -> bool:
        """True at most once per interval."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
