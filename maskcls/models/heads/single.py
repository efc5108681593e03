"""One linear layer from pooled features to all 18 classes."""

import torch
from torch import nn


def build(num_features: int, num_classes: int) -> nn.Module:
    """Head from float [B, num_features] to logits [B, num_classes].

    Initial values are torch's for a linear layer, drawn from the global stream.
    """
    return SingleHead(num_features, num_classes)


class SingleHead(nn.Module):
    """features_BF -> logits_BK."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_classes)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        logits_BK: torch.Tensor = self.linear(features_BF)
        return logits_BK
