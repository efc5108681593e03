"""Three separate networks (mask, gender, age), trained together as parts of one fold."""

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Lt

from maskcls.config.schema import Model, Section
from maskcls.models.heads.base import Head, HeadInputs
from maskcls.models.heads.branches import BranchedHead


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """Settings of this head; what is "model", or negative, is taken from the section model."""

    mask_backbone: str = "model"
    """Backbone of the mask network."""
    mask_weights: str = "model"
    """Its initial weights: hub, none, or the path of a safetensors file."""
    mask_dropout: Annotated[float, Ge(-1), Lt(1)] = -1.0
    """Its dropout [share]."""
    gender_backbone: str = "model"
    """Backbone of the gender network."""
    gender_weights: str = "model"
    """Its initial weights: hub, none, or the path of a safetensors file."""
    gender_dropout: Annotated[float, Ge(-1), Lt(1)] = -1.0
    """Its dropout [share]."""
    age_backbone: str = "model"
    """Backbone of the age network."""
    age_weights: str = "model"
    """Its initial weights, such as those of a network trained on ages: hub, none, or a path."""
    age_dropout: Annotated[float, Ge(-1), Lt(1)] = -1.0
    """Its dropout [share]."""


def backbones(settings: Settings, model: Model) -> tuple[Model, ...]:
    """The backbones of the mask, gender and age networks."""
    found = []
    for task in ("mask", "gender", "age"):
        own = {
            name: getattr(settings, f"{task}_{name}") for name in ("backbone", "weights", "dropout")
        }
        # "model" and negative numbers stand for the section model, so they override nothing.
        given = {k: v for k, v in own.items() if v != "model" and not (k == "dropout" and v < 0)}
        found.append(replace(model, **given))
    return tuple(found)


def build(settings: Settings, inputs: HeadInputs) -> Head:
    """A branch on the features of each backbone."""
    return BranchedHead(inputs)
