"""The network: one backbone or several, and a head on their features; built from a Description.

Shape letters: B batch, C H W image, F features, D outputs, K classes.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Self, TypedDict

import torch
from torch import nn

from maskcls.config import parts
from maskcls.config.schema import Head, Model
from maskcls.config.values import Size
from maskcls.core.progress import Report, ignore
from maskcls.core.task import Task
from maskcls.models import backbone
from maskcls.models.ages.base import AgeBranch
from maskcls.models.backbone import Normalization
from maskcls.models.heads import base as heads
from maskcls.models.heads.base import BeginPart, draw_on


class DescriptionJson(TypedDict):
    """A Description as a checkpoint has it. model, head: fields of the sections of config.schema;
    task: of task.json."""

    model: Mapping[str, Any]
    head: Mapping[str, Any]
    task: Mapping[str, Any]
    cosine_scale: float | None


@dataclass(frozen=True)
class Description:
    """Determines a network's layers; stored in checkpoints, so that prediction needs no settings.

    task: what is learned, with the age borders as they train. cosine_scale: None, or the scale of the
    cosine logits that the loss requires.
    """

    model: Model
    head: Head
    task: Task
    cosine_scale: float | None

    @classmethod
    def from_json(cls, values: DescriptionJson) -> Self:
        """Read back to_json."""
        return cls(
            Model(**values["model"]),
            Head(**values["head"]),
            Task.from_json(values["task"]),
            values["cosine_scale"],
        )

    def to_json(self) -> DescriptionJson:
        """Plain values, without the origin of the initial weights, which is not part of the network."""
        # Prediction must not download or read weights that the checkpoint replaces.
        model = asdict(self.model) | {"weights": "none"}
        head = asdict(self.head)
        # A head with backbones of its own names their weights PART_weights; without, they are the
        # model's.
        for own in head["settings"].values():
            for key in [key for key in own if key.endswith("_weights")]:
                del own[key]
        return {
            "model": model,
            "head": head,
            "task": self.task.to_json(),
            "cosine_scale": self.cosine_scale,
        }


class Network(nn.Module):
    """pixels_BCHW, normalised -> the head's outputs_BD."""

    def __init__(self, backbone: nn.Module, head: heads.Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """Outputs of the head, float32; its methods turn them into logits or a loss."""
        found = self.backbone(pixels_BCHW)
        features = found if isinstance(found, tuple) else (found,)
        # Under AMP only the backbone has low precision: bfloat16 has three digits, so its logits would
        # tie where classes are close. Head and backbone in one forward, since DDP prepares its
        # all-reduce in the wrapped module's forward.
        with _without_autocast(pixels_BCHW.device.type):
            outputs_BD: torch.Tensor = self.head(tuple(f.float() for f in features))
        return outputs_BD


def _without_autocast(device: str) -> AbstractContextManager[object]:
    if not torch.amp.is_autocast_available(device):  # the meta device has none
        return nullcontext()
    return torch.autocast(device, enabled=False)


class MultiBackbone(nn.Module):
    """Several backbones on the same pixels, each normalised as its weights require."""

    def __init__(self, backbones: list[nn.Module], normalizations: list[Normalization]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(backbones)
        first = normalizations[0]
        for i, own in enumerate(normalizations):
            mean, std = (torch.tensor(x) for x in (own.mean, own.std))
            mean0, std0 = (torch.tensor(x) for x in (first.mean, first.std))
            # Pixels arrive normalised for the first: x = (p - mean0) / std0; own is (p - mean) / std.
            # Buffers, to move with the model; not persistent, since the weights determine them.
            self.register_buffer(f"scale_{i}", (std0 / std).view(1, 3, 1, 1), persistent=False)
            shift = ((mean0 - mean) / std).view(1, 3, 1, 1)
            self.register_buffer(f"shift_{i}", shift, persistent=False)

    def forward(self, pixels_BCHW: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of each backbone."""
        return tuple(
            part(pixels_BCHW * self.get_buffer(f"scale_{i}") + self.get_buffer(f"shift_{i}"))
            for i, part in enumerate(self.parts)
        )


def build(
    described: Description,
    size: Size,
    pretrained: bool = True,
    begin_part: BeginPart = draw_on,
    report: Report = ignore,
) -> tuple[Network, Normalization]:
    """Build the network; see backbone.build for pretrained, report and what is raised.

    begin_part: seeds torch for each backbone ("backbone 0", ...), the head ("head") and each of its
    branches ("head." and the part's name: "head.age"), so that none depends on the size of another.
    """
    head = described.head
    module = parts.load("head.name", head.name)
    own = parts.settings_of("head.name", head.name, head.settings)
    built = []
    for number, model in enumerate(module.backbones(own, described.model)):
        begin_part(f"backbone {number}")
        built.append(backbone.build(model, size, pretrained, report))
    ages = parts.load("head.age", head.age)
    age_settings = parts.settings_of("head.age", head.age, head.settings)

    def begin_branch(branch: str) -> None:
        begin_part(f"head.{branch}")

    def make_age(num_features: int) -> AgeBranch:
        begin_branch("age")
        branch: AgeBranch = ages.build(age_settings, num_features, described.task.part("age"))
        return branch

    inputs = heads.HeadInputs(
        task=described.task,
        num_features=tuple(backbone.num_features(body) for body, _ in built),
        make_age=make_age,
        hard=head.merge == "hard",
        weights={
            "mask": head.mask_weight,
            "gender": head.gender_weight,
            "age": head.age_weight,
        },
        cosine_scale=described.cosine_scale,
        begin_part=begin_branch,
    )
    # After the backbones, which are seeded by their own names: the order does not matter to the draws.
    begin_part("head")
    bodies, normalizations = [body for body, _ in built], [own for _, own in built]
    # A single one is not wrapped: names in its checkpoint are those of the backbone alone, and pixels
    # are not multiplied by 1.
    body = bodies[0] if len(bodies) == 1 else MultiBackbone(bodies, normalizations)
    return Network(body, module.build(own, inputs)), normalizations[0]


def wants_channels_last(described: Description) -> bool:
    """Whether this network trains in channels_last memory format."""
    return all(backbone.wants_channels_last(model) for model in models_of(described))


def models_of(described: Description) -> tuple[Model, ...]:
    """The backbones' settings, one for each."""
    head = described.head
    own = parts.settings_of("head.name", head.name, head.settings)
    found: tuple[Model, ...] = parts.load("head.name", head.name).backbones(own, described.model)
    return found


def backbones_of(network: Network) -> tuple[nn.Module, ...]:
    """The backbones, in the order of models_of."""
    body = network.backbone
    return tuple(body.parts) if isinstance(body, MultiBackbone) else (body,)
