"""Tiny networks, people and targets that the tests of models share.

Shape letters: B batch, K 18 classes, R ages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from maskcls.config import parts
from maskcls.config.schema import Config, Head, Model, Rows
from maskcls.config.values import Size
from maskcls.core.mask import class_of
from maskcls.core.task import Part, Task
from maskcls.models import network as networks
from maskcls.models.ages.base import AgeBranch
from maskcls.models.heads.base import Losses
from maskcls.models.network import Description, Network
from maskcls.models.target import Target
from maskcls.sampling.training_rows import training_task
from maskcls.training.objective import build_losses
from tests.tasks import MASK

SIZE = Size(32, 32)
TINY = "test_efficientnet"
THREE_BACKBONES = {
    "mask_backbone": "test_efficientnet",
    "gender_backbone": "test_resnet",
    "age_backbone": "test_vit",
}
"""Widths 256, 96 and 64; the first wants ImageNet's mean and std, the others 0.5 and 0.5."""

LOSSES: Losses = build_losses(Config(), MASK, [10] * 18, 0)
"""Plain cross entropy for the classes and for all parts."""
TWO_PARTS = Task(
    "fruit", (Part("kind", ("apple", "banana", "cherry")), Part("ripe", ("no", "yes")))
)
"""Two parts and no ages."""


def age_part(borders: tuple[int, ...] = (30, 60)) -> Part:
    """The age of the mask task, with a value for each range between borders."""
    values = tuple(f"from {border}" for border in (0, *borders))
    return replace(MASK.part("age"), borders=borders, values=values)


@dataclass(frozen=True)
class AgeKind:
    """An age branch, and which ranks it learns, where it has a choice."""

    name: str
    ranks: str | None

    @property
    def settings(self) -> dict[str, Any]:
        return {} if self.ranks is None else {"ranks": self.ranks}

    def build(self, num_features: int, borders: tuple[int, ...] = (30, 60)) -> AgeBranch:
        module = parts.load("head.age", self.name)
        own = module.Settings(**self.settings)
        branch: AgeBranch = module.build(own, num_features, age_part(borders))
        return branch

    def __str__(self) -> str:
        return self.name if self.ranks is None else f"{self.name}-{self.ranks}"


def _age_kinds() -> Iterator[AgeKind]:
    for name in parts.choices("head.age"):
        has_ranks = "ranks" in parts.own_defaults("head.age", name)
        yield from (
            AgeKind(name, ranks) for ranks in (("groups", "years") if has_ranks else (None,))
        )


AGE_KINDS = list(_age_kinds())
HEADS = parts.choices("head.name")
COMBINATIONS = [(head, kind) for head in HEADS for kind in AGE_KINDS]
"""Every head with every age branch; a new file is among them by itself."""
BRANCHED = [(head, kind) for head, kind in COMBINATIONS if head != "single"]
DISTINCT = [("single", AGE_KINDS[0]), *BRANCHED]
"""Those that differ: the head "single" has no age branch."""


def describe(
    head: str = "single",
    kind: AgeKind = AGE_KINDS[0],
    *,
    backbone: str = TINY,
    task: Task = MASK,
    border: int = 60,
    merge: str = "sum",
    cosine_scale: float | None = None,
    separate: dict[str, Any] | None = None,
) -> Description:
    """A network of tiny backbones with random weights; separate: settings of that head.

    border: first age that trains as the last age group, of a task with ages.
    """
    own = {"separate": THREE_BACKBONES if separate is None else separate}
    settings = {kind.name: kind.settings} | (own if head == "separate" else {})
    return Description(
        Model(backbone=backbone, weights="none"),
        Head(name=head, age=kind.name, merge=merge, settings=settings),  # type: ignore[arg-type]
        training_task(task, Rows(age_border=border)),
        cosine_scale,
    )


def build(described: Description, seed: int = 0) -> Network:
    """The network, its initial values drawn from the seed."""
    torch.manual_seed(seed)
    network, _ = networks.build(described, SIZE)
    return network


def parts_of(network: Network) -> list[nn.Module]:
    """The backbones of a network with several."""
    return list(network.backbone.parts)  # type: ignore[arg-type]


def pixels(num: int, seed: int = 0) -> torch.Tensor:
    """Normalised noise, [B, 3, 32, 32]."""
    return torch.randn(num, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


AGES = (18, 25, 29, 30, 44, 57, 58, 59, 60)
"""Ages on both sides of every border, as those of as many images."""


def classes_at(border: int) -> list[int]:
    """Classes of images of people of those ages; masks and genders in turn."""
    return [class_of(i % 3, i % 2, (age >= 30) + (age >= border)) for i, age in enumerate(AGES)]


def one_hot_target(classes: Sequence[int], ages: Sequence[int]) -> Target:
    """What images of the mask task train towards that are not mixed."""
    return Target(
        functional.one_hot(torch.tensor(classes), 18).float(),
        functional.one_hot(torch.tensor(ages) - 18, 43).float(),
        MASK,
    )


def target_of_ages(ages: Sequence[int], border: int = 60) -> Target:
    """Target of men of these ages with a mask."""
    return one_hot_target([(age >= 30) + (age >= border) for age in ages], ages)


def unused(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Stands for the configured loss where an age branch has its own."""
    raise AssertionError("the configured loss is not for this branch")
