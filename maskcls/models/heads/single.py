"""One layer from pooled features to all classes."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Model, Section
from maskcls.models.heads.base import Head, HeadInputs, Losses
from maskcls.models.target import Target


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this head."""


def backbones(settings: Settings, model: Model) -> tuple[Model, ...]:
    """The backbones that this head uses."""
    return (model,)


def build(settings: Settings, inputs: HeadInputs) -> Head:
    """Linear layer, or cosine similarities where the loss requires them.

    Initial values are torch's for a linear layer, drawn from the global stream.
    """
    return SingleHead(inputs.num_features[0], inputs.task.num_classes, inputs.cosine_scale)


class SingleHead(Head):
    """features_BF -> logits_BK."""

    def __init__(
        self, num_features: int, num_classes: int, cosine_scale: float | None = None
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        # A cosine has no bias; without one the layer also holds no parameter that never learns, which
        # DDP would report as an error.
        self.linear = nn.Linear(num_features, num_classes, bias=cosine_scale is None)
        self.cosine_scale = cosine_scale

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See Head."""
        (features_BF,) = features
        if self.cosine_scale is None:
            logits_BK: torch.Tensor = self.linear(features_BF)
            return logits_BK
        # Both normalised (arXiv:1906.07413, as LDAM's margins are on the scale of cosines).
        weight_KF = functional.normalize(self.linear.weight, dim=1)
        cosine_BK = functional.linear(functional.normalize(features_BF, dim=1), weight_KF)
        return self.cosine_scale * cosine_BK

    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See Head; the outputs are the logits."""
        return outputs_BD.float()

    def loss(self, outputs_BD: torch.Tensor, target: Target, losses: Losses) -> torch.Tensor:
        """See Head."""
        return losses.whole(outputs_BD, target.classes_BK)
