"""Learning-rate range test: the loss while the rate rises from tiny to far too much.

Smith 2017, "Cyclical learning rates", arXiv:1506.01186. A good highest rate lies where the loss falls
fastest, well before its lowest point.
"""

import math

import numpy as np
import torch

from maskcls.core.errors import UserError
from maskcls.training import seeding
from maskcls.training.building import build_learner
from maskcls.training.fold_data import read_fold_data
from maskcls.training.job import FoldJob, RangeTest
from maskcls.training.loop import EpochPlan, train_epoch
from maskcls.training.rank import Alone

_SMOOTH = 0.9  # per update, as an exponential moving average without its bias
_EXPLODED = 4.0  # times the lowest loss so far; the test ends there


def range_test(job: FoldJob, low: float, high: float, updates: int) -> RangeTest:
    """Train fold job.fold from its initial weights, the rate rising by one factor at each update.

    low, high: first and last rate. Stops early when the loss explodes. Raises UserError when that
    happens at once, so that there is nothing to report.
    """
    torch.set_num_threads(job.threads)
    config = job.config
    built = build_learner(job, read_fold_data(job), Alone(), pretrained=True)
    device = built.learner.forward_context.device
    rates, losses = [], list[float]()

    # The only way out of train_epoch in the middle of an epoch.
    class Enough(Exception):
        pass

    epoch = 0
    while len(losses) < updates:
        # As fold.py does: dropout draws what it will draw in the training that the rate is for.
        seeding.seed_torch("epoch", config.train.seed, job.fold, epoch, 0)
        plan, before, total = built.plan_epoch(epoch), len(losses), torch.zeros((), device=device)
        seen = [0.0, 0.0]

        # Default arguments bind this epoch's values, since closures see variables as they are later.
        def rate(step: int, num_steps: int, before: int = before) -> float:
            return float(low * (high / low) ** ((before + step) / max(1, updates - 1)))

        def after_step(
            steps: int, num_steps: int, images: int, before: int = before,
            total: torch.Tensor = total, seen: list[float] = seen,
        ) -> None:  # fmt: skip
            rates.append(rate(steps - 1, num_steps, before))
            # train_epoch hands over no loss of a step, but a sum that grows: the difference is it.
            # Waiting for the GPU at every step is acceptable here.
            losses.append((float(total) - seen[0]) / (images - seen[1]))
            seen[:] = [float(total), float(images)]
            exploded = not math.isfinite(losses[-1]) or losses[-1] > _EXPLODED * min(losses)
            if exploded or len(losses) == updates:
                raise Enough

        rising = EpochPlan(plan.epoch, plan.losses, plan.augmented, rate)
        try:
            train_epoch(built.learner, rising, config.train.batch_size, 0, total, after_step)
        except Enough:
            break
        epoch += 1
    return _summarize(rates, losses)


def _summarize(rates: list[float], losses: list[float]) -> RangeTest:
    finite = [(r, x) for r, x in zip(rates, losses, strict=True) if math.isfinite(x)]
    if len(finite) < 5:
        raise UserError("the loss explodes at once: begin lower, with --low 1e-8")
    # Losses of single batches are noisy; their slope would be that of the noise.
    smooth, running = list[float](), 0.0
    for i, (_, x) in enumerate(finite):
        running = _SMOOTH * running + (1 - _SMOOTH) * x
        # Divided as in Adam: an average that starts at 0 is too low in its first steps.
        smooth.append(running / (1 - _SMOOTH ** (i + 1)))
    lowest = int(np.argmin(smooth))
    # Up to the lowest point only: a steep fall after it would follow a divergence.
    slope = np.gradient(np.array(smooth[: max(lowest, 2) + 1]))
    steepest = int(np.argmin(slope))
    lr, loss = [r for r, _ in finite], [x for _, x in finite]
    return RangeTest(lr, loss, smooth, lr[steepest], lr[lowest])
