"""One epoch of updates. Loss and counts stay on the device until the epoch ends."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.amp import GradScaler

from maskcls.augment.pipeline import EpochAugmenter
from maskcls.core.errors import UserError
from maskcls.models.heads.base import Losses
from maskcls.models.network import Network
from maskcls.models.target import Target
from maskcls.optim import factory
from maskcls.optim.averaging import Average
from maskcls.optim.sam import Sam
from maskcls.sampling.epoch import Epoch
from maskcls.training.device import ForwardContext
from maskcls.training.feed import Feed, Rows, batches_of_epoch, num_parts, share_of_rank
from maskcls.training.objective import RowTargets, mixed
from maskcls.training.rank import Rank

_SMALLEST_SCALE = 2.0**-10
"""Of float16 losses: it starts at 2^16 and is halved at each update that overflows. Gradients that still
overflow at this scale would overflow at any."""


class TrainingDiverged(RuntimeError):
    """The loss became NaN or inf; retrying would give the same."""


@dataclass
class Learner:
    """What an update needs; model is the network, wrapped under DDP.

    micro_batch_size: maximum images of one forward pass, None for a worker's whole share. clip_norm: 0
    does not clip. only_copies: augment only the repeated rows of an epoch. smallest_batch: minimum
    images of a forward pass (models/smallest_batch.py). scaler: of the losses, enabled in float16
    alone.
    """

    network: Network
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None
    feed: Feed
    targets: RowTargets
    forward_context: ForwardContext
    rank: Rank
    micro_batch_size: int | None
    clip_norm: float
    only_copies: bool
    smallest_batch: int = 1
    scaler: GradScaler = field(default_factory=lambda: GradScaler("cpu", enabled=False))

    def scaler_state(self) -> dict[str, torch.Tensor]:
        """State of the gradient scaler, for a checkpoint; empty where it is disabled."""
        state = self.scaler.state_dict()
        if not state:
            return {}
        # Only what changes; growth factor and interval are constants of this program.
        return {
            "scale": torch.tensor(state["scale"], dtype=torch.float32),
            "growth_tracker": torch.tensor(state["_growth_tracker"], dtype=torch.int64),
        }

    def restore_scaler(self, tensors: dict[str, torch.Tensor]) -> None:
        """Undo scaler_state, bit-identical; no effect where it is disabled or none was stored."""
        # A checkpoint of float32 has no scaler's state, and train.precision=auto may now be float16.
        if not self.scaler.is_enabled() or not tensors:
            return
        own = {
            "scale": tensors["scale"].item(),
            "_growth_tracker": tensors["growth_tracker"].item(),
        }
        self.scaler.load_state_dict(self.scaler.state_dict() | own)

    def batches(self, rows: Rows, batch_size: int) -> list[Rows]:
        """An epoch's batches (feed.batches_of_epoch), none too small for any worker's share.

        UserError when there are not enough rows for that.
        """
        if self.smallest_batch == 1:
            return batches_of_epoch(rows, batch_size)
        smallest = self.smallest_batch * self.rank.world
        if len(rows) < smallest:
            raise UserError(
                f"an epoch has {len(rows)} rows, and this network's batch normalisation needs"
                f" {self.smallest_batch} for each of {self.rank.world} workers; give more images, or"
                " choose another model.backbone or a larger image.size."
            )
        return batches_of_epoch(rows, batch_size, smallest)


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch trains on, and how.

    augmented: the epoch's augmentation, None without any. rate: learning rate at a step, counted
    from 0, of num_steps.
    """

    epoch: Epoch
    losses: Losses
    augmented: EpochAugmenter | None
    rate: Callable[[int, int], float]


@dataclass(frozen=True)
class _Batch:
    """A worker's share of a batch, on the device. size: images of the whole batch, of all workers."""

    pixels_BCHW: torch.Tensor
    target: Target
    size: int


def train_epoch(
    learner: Learner,
    plan: EpochPlan,
    batch_size: int,
    first_step: int,
    loss_sum: torch.Tensor,
    after_step: Callable[[int, int, int], None],
) -> torch.Tensor:
    """Train on the epoch's rows in their order, from update first_step on; the sum of row losses.

    loss_sum: scalar on the device, of the updates before first_step.
    after_step(steps_done, num_steps, images_done) may write a checkpoint and must not touch the
    random stream.
    """
    optimizer, average = learner.optimizer, learner.average
    # Positions in the epoch, not row numbers: a row may occur more than once, and its copies are
    # augmented differently.
    places = learner.batches(np.arange(len(plan.epoch)), batch_size)
    learner.model.train()  # predicting has left it in evaluation mode
    images = sum(len(b) for b in places[:first_step])
    for step, batch in enumerate(_batches(learner, plan, places, first_step), first_step):
        factory.set_rate(optimizer, plan.rate(step, len(places)))
        optimizer.zero_grad(set_to_none=True)
        # In place and without .item(): the caller's tensor goes into checkpoints, and the CPU may run
        # ahead of the GPU.
        loss_sum += _accumulate(learner, plan.losses, batch)
        skipped = False
        if isinstance(optimizer, Sam):
            skipped = not _ascend(learner, optimizer)
            if not skipped:  # the second loss is at the perturbed weights, so it is not counted
                _accumulate(learner, plan.losses, batch)
        # An average must not count the same weights twice where float16 skipped the update.
        if not skipped and _step(learner) and average is not None:
            average.after_update(learner.network)
        images += batch.size
        after_step(step + 1, len(places), images)
    # Once per epoch: reading the scale waits for the GPU.
    if learner.scaler.get_scale() < _SMALLEST_SCALE:
        raise TrainingDiverged(
            "the float16 gradients overflow at every update; lower optim.lr or set"
            " train.precision=float32"
        )
    return loss_sum


def _batches(
    learner: Learner, plan: EpochPlan, batches: list[Rows], first_step: int
) -> Iterator[_Batch]:
    """This worker's share of each batch from first_step on, augmented, and mixed with its partners."""
    rank, device = learner.rank, learner.forward_context.device
    # Each batch is divided among the workers, not the epoch: a step trains on the same images whatever
    # the number of workers.
    mine = [share_of_rank(b, rank.index, rank.world) for b in batches[first_step:]]
    # For the whole epoch at once, since the feed gathers the next batch while this one trains.
    gathered = [_with_partners(plan, places) for places in mine]
    feed = learner.feed.batches([rows for rows, _ in gathered])
    steps = zip(batches[first_step:], mine, gathered, feed, strict=True)
    for batch, places, (_, partners), pixels_BCHW in steps:
        rows = plan.epoch.rows[places]
        target = learner.targets.of(torch.from_numpy(rows).to(device, non_blocking=True))
        if plan.augmented is not None:
            copies = plan.epoch.copies[places]
            changed = plan.augmented.apply(pixels_BCHW, rows, copies, partners, learner.only_copies)
            pixels_BCHW = changed.pixels_BCHW
            if partners is not None and changed.share_B is not None:
                other = learner.targets.of(torch.from_numpy(partners).to(device, non_blocking=True))
                target = mixed(target, other, changed.share_B)
        yield _Batch(pixels_BCHW, target, len(batch))


def _with_partners(
    plan: EpochPlan, places: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """Rows to gather for a batch, followed by those of its partners; and the partners."""
    rows = plan.epoch.rows[places]
    if plan.augmented is None:
        return rows, None
    partners = plan.augmented.partners(rows, plan.epoch.copies[places])
    return (rows, None) if partners is None else (np.concatenate([rows, partners]), partners)


def _ascend(learner: Learner, optimizer: Sam) -> bool:
    """SAM's first step, which clears the gradients; False where the update is skipped.

    arXiv:2010.01412, algorithm 1: the perturbation along the gradient (eq. 2).
    """
    scaler = learner.scaler
    # GradScaler keeps state per optimizer object and refuses to unscale one twice per update: Sam
    # stands for the first pass, its base for the second.
    scaler.unscale_(optimizer)
    if scaler.is_enabled() and not _has_finite_gradient(learner.network):
        # Weights moved along an inf would leave NaN in the running statistics of BatchNorm.
        scaler.update()
        return False
    optimizer.ascend()
    # The second pass must not add to the first: the step uses the gradient at the perturbed weights.
    optimizer.zero_grad(set_to_none=True)
    return True


def _step(learner: Learner) -> bool:
    """The optimizer's step with the present gradients; False where the scaler skipped it.

    In float16 the scaler skips an update whose gradient has an inf or NaN, and halves its scale.
    """
    optimizer, scaler = learner.optimizer, learner.scaler
    base = optimizer.base if isinstance(optimizer, Sam) else optimizer
    scaler.unscale_(base)  # before clipping, whose norm is that of the gradient itself
    if learner.clip_norm:
        nn.utils.clip_grad_norm_(learner.network.parameters(), learner.clip_norm)
    if isinstance(optimizer, Sam):
        # Before the base's step: the gradient of the perturbed weights updates the original ones.
        optimizer.put_back()
    scale = scaler.get_scale()
    scaler.step(base)
    scaler.update()
    # step() does not say whether it skipped; update() lowers the scale exactly then. Disabled, the
    # scale is 1.0 without asking the device.
    return scaler.get_scale() >= scale


def _has_finite_gradient(model: nn.Module) -> bool:
    norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    return bool(norm.isfinite())


def _accumulate(learner: Learner, losses: Losses, batch: _Batch) -> torch.Tensor:
    """Add the gradient of a worker's share of a batch, in passes of at most micro_batch_size images.

    Returns the sum of the rows' losses.
    """
    pixels_BCHW, target, num = batch.pixels_BCHW, batch.target, len(batch.pixels_BCHW)
    # DDP averages the workers' gradients; with this weight their mean is the gradient of the batch's
    # mean loss, however unequal shares and passes are. Hence sums of row losses below, not means.
    weight = learner.rank.world / batch.size
    # An empty share still makes one pass: DDP waits for a backward pass of every worker.
    passes = num_parts(num, learner.micro_batch_size or max(num, 1), learner.smallest_batch)
    bounds = [num * i // passes for i in range(passes + 1)]
    loss_sum = torch.zeros((), dtype=torch.float64, device=pixels_BCHW.device)
    for i in range(passes):
        part = slice(bounds[i], bounds[i + 1])
        last = i == passes - 1
        # One all-reduce per batch instead of one per pass. The forward pass is inside, too: DDP decides
        # there whether the backward pass will communicate.
        with contextlib.nullcontext() if last else learner.rank.no_sync(learner.model):
            outputs_BD = learner.forward_context.forward(learner.model, pixels_BCHW[part])
            own = Target(target.classes_BK[part], target.ages_BR[part], target.task)
            row_loss_B = learner.network.head.loss(outputs_BD, own, losses)
            learner.scaler.scale(row_loss_B.sum() * weight).backward()  # type: ignore[no-untyped-call]
        # Detached, or the sum would keep the graph of every pass in memory.
        loss_sum += row_loss_B.detach().sum()
    return loss_sum


def mean_loss_of(loss_sum: torch.Tensor, num_rows: int, rank: Rank, epoch: int) -> float:
    """Mean row loss of an epoch over all workers; TrainingDiverged when it is NaN or inf."""
    # Of all workers together, so that all of them raise, and none waits for one that has.
    mean = float(rank.sum(loss_sum)) / num_rows
    require_finite("training loss", np.array(mean), epoch)
    return mean


def require_finite(what: str, values: npt.NDArray[Any], epoch: int) -> None:
    """TrainingDiverged when one of the values is NaN or inf; epoch counts from 0."""
    wrong = values[~np.isfinite(values)]
    if len(wrong):
        raise TrainingDiverged(
            f"the {what} became {wrong[0]} in epoch {epoch + 1};"
            " lower optim.lr or set train.precision=float32"
        )


class Interval:
    """A timer that is due once per interval."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def passed(self) -> bool:
        """True at most once per interval."""
        now = time.monotonic()  # the time of day may be set back
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
