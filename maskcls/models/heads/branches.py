"""Three branches (mask, gender, age) on one backbone, merged to 18 classes."""

from dataclasses import dataclass

from maskcls.config.schema import Model, Section
from maskcls.models.branching import BranchedHead
from maskcls.models.heads.base import Head, HeadInputs


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this head; those of all heads with branches are head.age, head.merge and weights."""


def backbones(settings: Settings, model: Model) -> tuple[Model, ...]:
    """The backbones that this head stands on."""
    return (model,)


def build(settings: Settings, inputs: HeadInputs) -> Head:
    """Branches on the features of the one backbone."""
    return BranchedHead(inputs)
