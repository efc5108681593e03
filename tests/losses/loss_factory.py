"""Logits and targets that the losses' tests share. Shape letters: B batch, K classes."""

import torch
from torch.nn import functional

from maskcls.losses.base import LossContext

SKEWED = LossContext((3500, 30, 1200, 7, 260, 1))
"""Six classes, from very many rows to a single one."""


def one_hot(target_B: torch.Tensor, num_classes: int) -> torch.Tensor:
    return functional.one_hot(target_B, num_classes).float()


def batch(
    seed: int, num_classes: int = 6, num_rows: int = 6, scale: float = 3.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits [B, K] and the true class of each row, int64 [B]."""
    generator = torch.Generator().manual_seed(seed)
    logits_BK = scale * torch.randn(num_rows, num_classes, generator=generator)
    return logits_BK, torch.randint(num_classes, (num_rows,), generator=generator)


def mixed(seed: int, num_classes: int = 6, num_rows: int = 6) -> torch.Tensor:
    """Targets as MixUp makes them: two classes and their shares, [B, K]."""
    generator = torch.Generator().manual_seed(seed)
    first_B, second_B = torch.randint(num_classes, (2, num_rows), generator=generator)
    share_B1 = torch.rand(num_rows, 1, generator=generator)
    return share_B1 * one_hot(first_B, num_classes) + (1 - share_B1) * one_hot(
        second_B, num_classes
    )
