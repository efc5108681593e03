"""The learning rate at each point of a training.

A function of settings and position alone, so a resumed run needs no scheduler state.
"""

import math
from typing import assert_never

from maskcls.config.schema import Optim

WARMUP_START = 1e-3
"""Share of the schedule's rate in the first update of a warm-up; not 0, with which it would learn
nothing."""

# The defaults of torch.optim.lr_scheduler.OneCycleLR, which are fastai's.
_RISE = 0.3  # share of the training in which the rate rises
_DIVIDE_START = 25.0
_DIVIDE_END = 1e4  # of the start, not of lr


def rate_at(settings: Optim, epochs: int, progress: float) -> float:
    """Learning rate of an update at a point of the training.

    epochs: length of the training. progress: from 0 to epochs; 2.5 is half of the third epoch.
    Returns a rate of at most lr. It is above 0 before the end, unless powers of a small gamma underflow;
    at the very end cosine has reached min_lr.

    step, multistep: constant within an epoch; epochs count from the start of the training, so a
    warm-up does not delay a decay. A milestone of 10 has an effect from the eleventh epoch on.
    cosine: half a cosine wave from lr to min_lr, from the end of the warm-up to the end.
    restarts: SGDR (arXiv:1608.03983, eq. 5) with cycles of equal length (T_mult = 1) from the end
    of the warm-up on; the last one is cut off where the training ends.
    onecycle: arXiv:1708.07120 in torch's two-phase cosine form: from lr / 25 to lr in the first
    30 % of the training, then to lr / 250000. Where we differ: only the rate cycles, not the
    momentum, and the curve ends with the training, not with its last update.
    Warm-up: a factor that rises linearly from WARMUP_START to 1 over warmup_epochs (may be a part
    of one), multiplied with the schedule's rate.
    """
    assert 0 <= progress <= epochs, f"{progress} of {epochs} epochs"
    rate = _scheduled(settings, epochs, progress) * _warmup_factor(settings, progress)
    return min(rate, settings.lr)  # rounding may lift a mean of two numbers above both


def _scheduled(settings: Optim, epochs: int, progress: float) -> float:
    lr, warmup = settings.lr, settings.warmup_epochs
    since_warmup = max(0.0, progress - warmup)
    match settings.schedule:
        case "constant":
            return lr
        case "step":
            return float(lr * settings.gamma ** math.floor(progress))
        case "multistep":
            passed = sum(milestone <= progress for milestone in settings.milestones)
            return float(lr * settings.gamma**passed)
        case "cosine":
            return _anneal(lr, settings.min_lr, since_warmup / (epochs - warmup))
        case "restarts":
            share = since_warmup % settings.restart_epochs / settings.restart_epochs
            return _anneal(lr, settings.min_lr, share)
        case "onecycle":
            return _one_cycle(lr, progress / epochs)
    assert_never(settings.schedule)


def _one_cycle(lr: float, share: float) -> float:
    start = lr / _DIVIDE_START
    if share < _RISE:
        return _anneal(start, lr, share / _RISE)
    return _anneal(lr, start / _DIVIDE_END, (share - _RISE) / (1 - _RISE))


def _anneal(start: float, end: float, share: float) -> float:
    # (1 + cos(pi x)) / 2, written as a square: exactly 1 and 0 at the ends, and above 0 between.
    weight = math.sin(math.pi / 2 * (1 - share)) ** 2
    return weight * start + (1 - weight) * end


def _warmup_factor(settings: Optim, progress: float) -> float:
    if progress >= settings.warmup_epochs:
        return 1.0
    return WARMUP_START + (1 - WARMUP_START) * progress / settings.warmup_epochs
