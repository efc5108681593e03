"""Optimizers by name through timm's factory, and the learning rate of each epoch."""

import difflib
from typing import Any

import torch
from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import UserError

# kron draws from a generator of its own and keeps lists of tensors, adahessian wants to
# differentiate twice: neither could go on exactly from a checkpoint.
_UNFIT = ("kron", "adahessian")


def names() -> tuple[str, ...]:
    """Names that optim.name can take; some need a GPU or another package to be built."""
    return tuple(n for n in list_optimizers() if not n.startswith(_UNFIT))


def check_name(name: str) -> None:
    """UserError with the nearest name when there is no such optimizer."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else "adam and adamw are two."
        raise UserError(f"optim.name: there is no {name!r}; {hint}")


def build(model: nn.Module, settings: Optim) -> torch.optim.Optimizer:
    """Optimizer over all parameters; norms and biases get no weight decay (timm's default)."""
    check_name(settings.name)
    options: dict[str, Any] = {"opt": settings.name, "lr": settings.lr}
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            model, weight_decay=settings.weight_decay, **options
        )
    except (AssertionError, ImportError, TypeError, ValueError, RuntimeError) as e:
        raise UserError(
            f"optim.name={settings.name}: cannot be built here ({e}); take another one."
        ) from e
    return optimizer


def rate_of_epoch(settings: Optim, epoch: int) -> float:
    """Learning rate during an epoch, counted from 0: lr * gamma ** epoch (StepLR of step 1).

    A function of the epoch alone, so that a resumed run needs no scheduler's memory.
    """
    return float(settings.lr * settings.gamma**epoch)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group's own scale (layer-wise decay) is kept."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
