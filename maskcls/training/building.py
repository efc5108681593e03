"""Builds a fold's learner from settings and rows, and the plan of each of its epochs."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from maskcls.augment.base import Context
from maskcls.augment.pipeline import Pipeline
from maskcls.config.schema import Config
from maskcls.core.task import Task
from maskcls.models import network as networks
from maskcls.models.backbone import Normalization
from maskcls.models.network import Description, Network
from maskcls.models.smallest_batch import smallest_batch
from maskcls.optim import factory
from maskcls.optim.averaging import make_average
from maskcls.optim.schedules import rate_at
from maskcls.sampling.epoch import draw_epoch
from maskcls.training import seeding
from maskcls.training.device import ForwardContext, pick_device
from maskcls.training.feed import Feed
from maskcls.training.fold_data import FoldData
from maskcls.training.job import FoldJob
from maskcls.training.loop import EpochPlan, Learner
from maskcls.training.objective import RowTargets, build_losses, describe
from maskcls.training.rank import Rank


@dataclass(frozen=True)
class Built:
    """A fold's learner, with initial weights and not wrapped yet, and what it was built from."""

    learner: Learner
    described: Description
    normalization: Normalization
    channels_last: bool
    pipeline: Pipeline
    config: Config
    task: Task
    data: FoldData
    fold: int

    def plan_epoch(self, epoch: int) -> EpochPlan:
        """Rows, losses, augmentation and learning rates of an epoch, counted from 0."""
        config, labelled = self.config, self.data.labelled
        seed = config.train.seed
        # Every draw is keyed by seed, fold and epoch alone: all workers of the fold compute the same
        # epoch without communication, and a resumed fold the same one as before.
        drawn = draw_epoch(
            self.data.training, labelled, config.rows, self.task, (seed, self.fold, epoch)
        )
        # Of the rows as drawn, not of the table: corrections and limits change the class frequencies
        # that balanced losses must compensate.
        counts = np.bincount(labelled.classes[drawn.rows], minlength=self.task.num_classes).tolist()
        augmented = None
        if self.pipeline:
            numbers = (seed, self.fold, epoch)
            augmented = self.pipeline.begin_epoch(numbers, labelled.classes, drawn.rows, self.task)

        # A fraction of an epoch, so the schedule does not depend on how many rows an epoch draws.
        def rate(step: int, num_steps: int) -> float:
            return rate_at(config.optim, config.train.epochs, epoch + step / num_steps)

        return EpochPlan(drawn, build_losses(config, self.task, counts, epoch), augmented, rate)


def build_learner(job: FoldJob, data: FoldData, rank: Rank, pretrained: bool) -> Built:
    """Build the parts of a fold; pretrained False when a checkpoint replaces the weights at once."""
    config, device = job.config, pick_device(job.device)
    described = describe(config, job.task)
    # Without the rank: every worker draws the same initial values, whether or not DDP copies them.
    begin_part = partial(seeding.seed_part, seed=config.train.seed, fold=job.fold)
    network, normalization = networks.build(described, config.image.size, pretrained, begin_part)
    channels_last = networks.wants_channels_last(described)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    # To the device before the optimizer is built and before a checkpoint is restored: restored
    # optimizer state takes device and memory format of the parameters.
    network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
    micro = config.train.micro_batch_size
    forward_context = ForwardContext(device, config.train.precision, normalization)
    labelled = data.labelled
    learner = Learner(
        network=network,
        model=network,
        optimizer=factory.build(network, config.optim),
        average=make_average(config.optim),
        feed=Feed(data.sources, device, channels_last),
        targets=RowTargets.on(device, job.task, labelled.classes, labelled.ages),
        forward_context=forward_context,
        rank=rank,
        micro_batch_size=None if micro == "auto" else micro,
        clip_norm=config.optim.clip_norm,
        only_copies=config.rows.augment == "copies",
        smallest_batch=_smallest_batch(network, config),
        scaler=forward_context.make_scaler(),
    )
    # Areas that a transform uncovers get the pixel that normalises to 0.
    pipeline = Pipeline(config.augment, Context(forward_context.fill))
    return Built(
        learner, described, normalization, channels_last, pipeline, config, job.task, data, job.fold
    )


def _smallest_batch(network: Network, config: Config) -> int:
    """See Learner; 1 without a test where these settings cannot make a batch of one image."""
    train, workers = config.train, config.cluster.workers_per_fold
    # Rows are divided evenly, so batches are above half of batch_size, and passes of
    # micro_batch_size, unless all rows make one.
    is_small = train.batch_size < 4 * workers or train.micro_batch_size in (1, 2)
    return smallest_batch(network, config.image.size) if is_small else 1
