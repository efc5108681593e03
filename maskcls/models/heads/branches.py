"""Three branches (mask, gender, age) on one backbone, merged to 18 classes."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from maskcls.config.schema import Model, Section
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
    """Outputs: 3 mask logits, 2 gender logits, then those of the age branch.

    18 classes: log p(class) = log p(mask) + log p(gender) + log p(age), the branches being
    independent given the image. With `hard` each branch first votes for its likeliest value: for one
    network the answer is the same, for a mean over several it is a count of votes.
    """

    def __init__(self, inputs: HeadInputs) -> None:
        super().__init__()
        # One backbone serves all branches; with several, each branch has its own.
        wide = inputs.num_features * 3 if len(inputs.num_features) == 1 else inputs.num_features
        # Each branch has a random stream of its own, so exchanging the age branch changes no other.
        inputs.begin_part("mask")
        self.mask = nn.Linear(wide[0], 3)
        inputs.begin_part("gender")
        self.gender = nn.Linear(wide[1], 2)
        self.age = inputs.make_age(wide[2])
        self.hard, self.task_weights = inputs.hard, inputs.task_weights

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See Head; features: of one backbone for all branches, or of one for each."""
        mask, gender, age = features * 3 if len(features) == 1 else features
        return torch.cat([self.mask(mask), self.gender(gender), self.age(age)], dim=1)

    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        """See Head; log-probabilities."""
        outputs_BD = outputs_BD.float()
        branches = [
            functional.log_softmax(outputs_BD[:, :3], dim=1),
            functional.log_softmax(outputs_BD[:, 3:5], dim=1),
            self.age.log_probs(outputs_BD[:, 5:]),
        ]
        if self.hard:
            branches = [_vote(log_probs) for log_probs in branches]
        mask_B3, gender_B2, age_B3 = branches
        # Row-major like core/labels: class = 6 mask + 3 gender + age group.
        grid = mask_B3[:, :, None, None] + gender_B2[:, None, :, None] + age_B3[:, None, None, :]
        return grid.reshape(len(grid), -1)

    def loss(self, outputs_BD: torch.Tensor, target: Target, losses: Losses) -> torch.Tensor:
        """See Head; the weighted sum of the branches' losses."""
        mask, gender, age = self.task_weights
        return (
            mask * losses["mask"](outputs_BD[:, :3], target.mask())
            + gender * losses["gender"](outputs_BD[:, 3:5], target.gender())
            + age * self.age.loss(outputs_BD[:, 5:], target, losses["age"])
        )


def _vote(log_probs: torch.Tensor) -> torch.Tensor:
    num = log_probs.shape[1]
    chosen = functional.one_hot(log_probs.argmax(dim=1), num).to(log_probs.dtype)
    return torch.log(chosen * _VOTE + (1 - chosen) * (1 - _VOTE) / (num - 1))
