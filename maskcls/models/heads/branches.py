"""A branch for each part of the label (mask, gender, age) on one backbone, merged to the classes."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Model, Section
from maskcls.models.ages.base import AgeBranch
from maskcls.models.heads.base import Head, HeadInputs, Losses
from maskcls.models.target import Target

_VOTE = 0.999  # probability of the value voted for; the rest is shared, since log 0 is -inf


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this head; those of all heads with branches are head.age, head.merge and weights."""


def backbones(settings: Settings, model: Model) -> tuple[Model, ...]:
    """The backbones that this head uses."""
    return (model,)


def build(settings: Settings, inputs: HeadInputs) -> Head:
    """Branches on the features of the one backbone."""
    return BranchedHead(inputs)


class BranchedHead(Head):
    """Outputs: those of each part's branch in turn: logits of its values, or those of an age branch.

    Classes: log p(class) = sum of the parts' log p(value), the branches being independent given the
    image. With `hard` each branch first votes for its likeliest value: for one network the answer is the
    same, for a mean over several it is a count of votes.
    """

    def __init__(self, inputs: HeadInputs) -> None:
        super().__init__()
        self.num_classes = inputs.task.num_classes
        self.parts = inputs.task.parts
        # One backbone serves all branches; with several, each branch has its own.
        wide = inputs.num_features
        wide = wide * len(self.parts) if len(wide) == 1 else wide
        branches: list[nn.Module] = []
        for part, num_features in zip(self.parts, wide, strict=True):
            if part.borders:
                branches.append(inputs.make_age(num_features))
                continue
            # Each branch has a random stream of its own, so exchanging one changes no other.
            inputs.begin_part(part.name)
            branches.append(nn.Linear(num_features, len(part.values)))
        # A list, since a part's name may be one of nn.Module's own.
        self.branches = nn.ModuleList(branches)
        self.hard = inputs.hard
        self.weights = tuple(inputs.weights.get(part.name, 1.0) for part in self.parts)

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See Head; features: of one backbone for all branches, or of one for each."""
        own = features * len(self.parts) if len(features) == 1 else features
        outputs = [branch(one) for branch, one in zip(self.branches, own, strict=True)]
        return torch.cat(outputs, dim=1)

    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See Head; log-probabilities."""
        total: torch.Tensor | None = None
        for number, outputs in enumerate(self._divided(outputs_BD.float())):
            branch = self.branches[number]
            if isinstance(branch, AgeBranch):
                log_probs = branch.log_probs(outputs)
            else:
                log_probs = functional.log_softmax(outputs, dim=1)
            if self.hard:
                log_probs = _vote(log_probs)
            # Row-major, as core/task.py numbers the classes: [B, first part, second part, ...].
            shape = [len(log_probs)] + [1] * len(self.parts)
            shape[number + 1] = log_probs.shape[1]
            grid = log_probs.reshape(shape)
            total = grid if total is None else total + grid
        assert total is not None
        return total.reshape(len(total), -1)

    def loss(self, outputs_BD: torch.Tensor, target: Target, losses: Losses) -> torch.Tensor:
        """See Head; the weighted sum of the branches' losses."""
        total: torch.Tensor | None = None
        outputs = self._divided(outputs_BD)
        for part, branch, weight, own in zip(
            self.parts, self.branches, self.weights, outputs, strict=True
        ):
            if isinstance(branch, AgeBranch):
                loss = branch.loss(own, target, losses.parts[part.name])
            else:
                loss = losses.parts[part.name](own, target.part(part.name))
            total = weight * loss if total is None else total + weight * loss
        assert total is not None
        return total

    def _divided(self, outputs_BD: torch.Tensor) -> list[torch.Tensor]:
        """Each branch's outputs; those of a branch without a fixed width, the age, are what is left."""
        fixed = [b.out_features if isinstance(b, nn.Linear) else None for b in self.branches]
        left = outputs_BD.shape[1] - sum(width or 0 for width in fixed)
        widths = [left if width is None else width for width in fixed]
        return list(torch.split(outputs_BD, widths, dim=1))


def _vote(log_probs: torch.Tensor) -> torch.Tensor:
    num = log_probs.shape[1]
    chosen = functional.one_hot(log_probs.argmax(dim=1), num).to(log_probs.dtype)
    return torch.log(chosen * _VOTE + (1 - chosen) * (1 - _VOTE) / (num - 1))
