"""For the mask task the branches are, to the bit, those of a head written out for its three parts."""

from functools import partial

import pytest
import torch
from network_factory import (
    AGE_KINDS,
    AGES,
    LOSSES,
    SIZE,
    AgeKind,
    classes_at,
    describe,
    one_hot_target,
)
from torch import nn
from torch.nn import functional

from maskcls.models import network as networks
from maskcls.models.heads.base import BeginPart
from maskcls.models.target import Target
from maskcls.training.seeding import seed_part

NUM_FEATURES = 256
"""Of test_efficientnet."""
WEIGHTS = {"mask": 0.5, "gender": 1.5, "age": 2.0}
seed = partial(seed_part, seed=11, fold=2)


class WrittenOut(nn.Module):
    """Mask, gender and age as attributes, with the columns of the outputs as numbers."""

    def __init__(self, kind: AgeKind, begin_part: BeginPart) -> None:
        super().__init__()
        begin_part("head")
        begin_part("head.mask")
        self.mask = nn.Linear(NUM_FEATURES, 3)
        begin_part("head.gender")
        self.gender = nn.Linear(NUM_FEATURES, 2)
        begin_part("head.age")
        self.age = kind.build(NUM_FEATURES)

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        branches = (self.mask, self.gender, self.age)
        return torch.cat([branch(features_BF) for branch in branches], dim=1)

    def logits(self, outputs_BD: torch.Tensor) -> torch.Tensor:
        outputs_BD = outputs_BD.float()
        mask_B3 = functional.log_softmax(outputs_BD[:, :3], dim=1)
        gender_B2 = functional.log_softmax(outputs_BD[:, 3:5], dim=1)
        age_B3 = self.age.log_probs(outputs_BD[:, 5:])
        grid = mask_B3[:, :, None, None] + gender_B2[:, None, :, None] + age_B3[:, None, None, :]
        return grid.reshape(len(grid), -1)

    def loss(self, outputs_BD: torch.Tensor, target: Target) -> torch.Tensor:
        grid = target.classes_BK.view(-1, 3, 2, 3)
        mask_B3, gender_B2 = grid.sum(dim=(2, 3)), grid.sum(dim=(1, 3))
        age = self.age.loss(outputs_BD[:, 5:], target, LOSSES.parts["age"])
        return (
            WEIGHTS["mask"] * LOSSES.parts["mask"](outputs_BD[:, :3], mask_B3)
            + WEIGHTS["gender"] * LOSSES.parts["gender"](outputs_BD[:, 3:5], gender_B2)
            + WEIGHTS["age"] * age
        )


@pytest.mark.parametrize("kind", AGE_KINDS, ids=str)
def test_initial_values_logits_losses_and_updates_are_the_same(kind: AgeKind) -> None:
    described = describe("branches", kind)
    for part, weight in WEIGHTS.items():
        object.__setattr__(described.head, f"{part}_weight", weight)
    network, _ = networks.build(described, SIZE, begin_part=seed)
    head, written_out = network.head, WrittenOut(kind, seed)
    assert [p.shape for p in head.parameters()] == [p.shape for p in written_out.parameters()]
    features_BF = torch.randn(len(AGES), NUM_FEATURES)
    target = one_hot_target(classes_at(60), AGES)
    mixed = Target(
        0.75 * target.classes_BK + 0.25 * target.classes_BK.flip(0),
        0.75 * target.ages_BR + 0.25 * target.ages_BR.flip(0),
        target.task,
    )
    optimizers = [torch.optim.AdamW(h.parameters(), lr=0.01) for h in (head, written_out)]
    for own in (target, mixed):
        for mine, other in zip(head.parameters(), written_out.parameters(), strict=True):
            assert torch.equal(mine, other)
        outputs_BD, others_BD = head((features_BF,)), written_out(features_BF)
        assert torch.equal(outputs_BD, others_BD)
        assert torch.equal(head.logits(outputs_BD), written_out.logits(others_BD))
        loss_B, other_B = head.loss(outputs_BD, own, LOSSES), written_out.loss(others_BD, own)
        assert torch.equal(loss_B, other_B)
        for optimizer, loss in zip(optimizers, (loss_B, other_B), strict=True):
            optimizer.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
