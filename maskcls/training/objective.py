"""What a fold's network is trained to do: losses of an epoch, targets of a batch.

Shape letters: B batch, K 18 classes, R ages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from maskcls.config import parts
from maskcls.config.schema import Config
from maskcls.core.labels import NUM_CLASSES, labels_of
from maskcls.core.progress import Report, ignore
from maskcls.losses.base import Loss, LossContext
from maskcls.models.heads.base import Losses
from maskcls.models.network import Description
from maskcls.models.target import NUM_AGES, OLDEST, YOUNGEST, Target
from maskcls.models.timm_names import timm_name

Int64 = npt.NDArray[np.int64]


def describe(config: Config, report: Report = ignore) -> Description:
    """The network of a configuration, its backbones by timm's own names.

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
    return Description(model, head, (30, config.rows.age_border), scale)


def build_losses(config: Config, counts: Sequence[int], epoch: int) -> Losses:
    """The row losses of an epoch, for 18 classes and for each task.

    counts: training rows of each class in this epoch, [18].
    """
    # Frequencies by task from those by class: one source, so that they always agree.
    classes = np.repeat(np.arange(NUM_CLASSES), counts)
    tasks = labels_of(classes)
    sizes = {"mask": 3, "gender": 2, "age": 3}
    by_task = {
        task: tuple(np.bincount(tasks[task], minlength=size).tolist())
        for task, size in sizes.items()
    }
    return {
        what: _sum_of(config, LossContext(tuple(c), epoch, config.train.epochs))
        for what, c in {"class": tuple(counts), **by_task}.items()
    }


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

    classes: int64 [N], the class 0 to 17. ages: int64 [N], the age in years.
    """

    classes: torch.Tensor
    ages: torch.Tensor

    @classmethod
    def on(cls, device: torch.device, classes: Int64, ages: Int64) -> "RowTargets":
        """From arrays of the table."""
        return cls(torch.from_numpy(classes).to(device), torch.from_numpy(ages).to(device))

    def of(self, rows: torch.Tensor) -> Target:
        """Target of some rows; rows: int64 [B] on the device."""
        ages = self.ages[rows].clamp(YOUNGEST, OLDEST) - YOUNGEST
        return Target(
            # Probabilities, so that mixed images, label smoothing and plain labels take one path.
            functional.one_hot(self.classes[rows], NUM_CLASSES).float(),
            functional.one_hot(ages, NUM_AGES).float(),
        )


def mixed(own: Target, other: Target, share_B: torch.Tensor) -> Target:
    """Target of images mixed from two; share_B: of the own one, float32 [B] in 0..1."""
    share_B1 = share_B.unsqueeze(1)
    return Target(
        torch.lerp(other.classes_BK, own.classes_BK, share_B1),
        torch.lerp(other.ages_BR, own.ages_BR, share_B1),
    )
