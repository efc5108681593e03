"""What a loss is: a number for each row, from its logits and its target."""

from typing import Protocol

import torch


class Loss(Protocol):
    """logits_BK: float32 [B, 18]; target_B: int64 [B] in 0..17. Returns one loss per row [B]."""

    def __call__(self, logits_BK: torch.Tensor, target_B: torch.Tensor) -> torch.Tensor: ...
