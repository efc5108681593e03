"""What a fold's network is trained to do: losses of an epoch, targets of a batch.

Shape letters: B batch, K classes, R ages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from maskcls.config import parts
from maskcls.config.schema import Config
from maskcls.core.progress import Report, ignore
from maskcls.core.task import Task
from maskcls.losses.base import Loss, LossContext
from maskcls.models.heads.base import Losses
from maskcls.models.network import Description
from maskcls.models.target import Target, numbers_of
from maskcls.models.timm_names import timm_name
from maskcls.sampling.training_rows import training_task

Int64 = npt.NDArray[np.int64]


def describe(config: Config, task: Task, report: Report = ignore) -> Description:
    """The network of a configuration for a task, its backbones by timm's own names.

    report: called with a sentence for each name that was written in another way. Raises UserError
    for a backbone that timm does not have.
    """

    def own_name(setting: str, text: str) -> str:
        found = timm_name(text, setting)
        if found.note is not None:
            report(found.note)
        return found.name

    # A checkpoint carries these names, and timm may drop a deprecated one.
    model = replace(config.model, backbone=own_name("model.backbone", config.model.backbone))
    own = {
        choice: {
            name: own_name(f"head.{choice}.{name}", value)
            if name.endswith("_backbone") and value != "model"
            else value
            for name, value in settings.items()
        }
        for choice, settings in config.head.settings.items()
    }
    head = replace(config.head, settings=own)
    # A loss with a cosine scale needs logits that are cosines, so the head's last layer depends on the
    # loss; a checkpoint must say so, since prediction knows no loss.
    scale = None
    for name in parts.chosen("loss.name", config.loss.name):
        module = parts.load("loss.name", name)
        if hasattr(module, "cosine_scale"):
            own = parts.settings_of("loss.name", name, config.loss.settings)
            scale = float(module.cosine_scale(own))
    return Description(model, head, training_task(task, config.rows), scale)


def build_losses(config: Config, task: Task, counts: Sequence[int], epoch: int) -> Losses:
    """The row losses of an epoch, for the classes and for each part of the label.

    counts: training rows of each class in this epoch, [K].
    """

    def build(counts: Sequence[int]) -> Loss:
        return _sum_of(config, LossContext(tuple(counts), epoch, config.train.epochs))

    # Frequencies by part from those by class: one source, so that they always agree.
    codes = task.codes_of(np.repeat(np.arange(task.num_classes), counts))
    by_part = {
        part.name: np.bincount(codes[part.name], minlength=len(part.values)).tolist()
        for part in task.parts
    }
    return Losses(build(counts), {name: build(found) for name, found in by_part.items()})


def _sum_of(config: Config, rows: LossContext) -> Loss:
    names = parts.chosen("loss.name", config.loss.name)
    # No weights set: a plain sum. A single loss of weight 1 is returned as it is, so that its values
    # are bit-identical to the loss alone.
    weights = config.loss.weights or (1.0,) * len(names)
    losses: list[Loss] = []
    for name in names:
        own = parts.settings_of("loss.name", name, config.loss.settings)
        losses.append(parts.load("loss.name", name).build(own, rows))
    if len(losses) == 1 and weights[0] == 1:
        return losses[0]

    def total(logits_BK: torch.Tensor, target_BK: torch.Tensor) -> torch.Tensor:
        parts_B = [w * loss(logits_BK, target_BK) for w, loss in zip(weights, losses, strict=True)]
        return torch.stack(parts_B).sum(dim=0)

    return total


@dataclass(frozen=True)
class RowTargets:
    """Targets of all rows; on the device, so that a step copies row numbers only.

    classes: int64 [N], the class. ages: int64 [N], the age in years; not used by a task without ages.
    """

    classes: torch.Tensor
    ages: torch.Tensor
    task: Task

    @classmethod
    def on(cls, device: torch.device, task: Task, classes: Int64, ages: Int64) -> "RowTargets":
        """From arrays of the table."""
        return cls(torch.from_numpy(classes).to(device), torch.from_numpy(ages).to(device), task)

    def of(self, rows: torch.Tensor) -> Target:
        """Target of some rows; rows: int64 [B] on the device."""
        # Probabilities, so that mixed images, label smoothing and plain labels take one path.
        classes_BK = functional.one_hot(self.classes[rows], self.task.num_classes).float()
        return Target(classes_BK, self._ages(rows), self.task)

    def _ages(self, rows: torch.Tensor) -> torch.Tensor:
        part = self.task.numbered
        if part is None:
            return self.classes.new_zeros((len(rows), 0), dtype=torch.float32)
        youngest, oldest = numbers_of(part)
        ages = self.ages[rows].clamp(youngest, oldest) - youngest
        return functional.one_hot(ages, oldest - youngest + 1).float()


def mixed(own: Target, other: Target, share_B: torch.Tensor) -> Target:
    """Target of images mixed from two; share_B: of the own one, float32 [B] in 0..1."""
    share_B1 = share_B.unsqueeze(1)
    return Target(
        torch.lerp(other.classes_BK, own.classes_BK, share_B1),
        torch.lerp(other.ages_BR, own.ages_BR, share_B1),
        own.task,
    )
