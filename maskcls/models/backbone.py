"""A timm backbone that returns pooled features, with its initial weights and its normalisation."""

from dataclasses import dataclass, replace
from typing import Any

import timm
from huggingface_hub.errors import (
    GatedRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from torch import nn

from maskcls.config.schema import Model
from maskcls.config.values import Size
from maskcls.core.errors import HubUnavailable, UserError
from maskcls.core.progress import Report, ignore
from maskcls.models import weights
from maskcls.models.timm_names import timm_name

# Answers of the hub that a retry would not change; any other error of its client may be the network's.
_HUB_REFUSES = (
    GatedRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

# Families whose convolutions gain from channels_last, in timm's published tables and measured here
# (tf_efficientnet_lite0 at 128x96 on two CPU cores: 49 -> 75 images/s). Not the nfnets:
# eca_nfnet_l0 falls from 724 to 320 images/s. Transformers have no use for it.
_CHANNELS_LAST = (
    "efficientnet", "tf_efficientnet", "efficientnetv2", "tf_efficientnetv2", "mobilenet",
    "tf_mobilenet", "mnasnet", "mixnet", "tf_mixnet", "fbnet", "resnet", "resnext", "wide_resnet",
    "seresnet", "seresnext", "ecaresnet", "tf_efficientnet_lite", "convnext", "regnet", "densenet",
    "test_resnet", "test_efficientnet",
)  # fmt: skip


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of the pixels that the backbone was trained with, on 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def build(
    settings: Model, size: Size, pretrained: bool = True, report: Report = ignore
) -> tuple[nn.Module, Normalization]:
    """Build the backbone with its initial weights.

    pretrained False leaves random values, for a network whose weights follow from a checkpoint.
    report: called with a sentence where a weights file was not taken as it is.
    Raises HubUnavailable when the hub does not respond; UserError when it has no such weights, they do
    not fit, or hold NaN or inf, and for whatever timm raises for a size that the backbone cannot take.
    """
    settings = replace(settings, backbone=timm_name(settings.backbone).name)
    options: dict[str, Any] = {"num_classes": 0}  # no classifier: the head is ours
    config = timm.models.get_pretrained_cfg(settings.backbone, allow_unregistered=False)
    # Only where timm fixes the size (vision transformers); convolutional networks refuse the option.
    if config is not None and config.fixed_input_size:
        options["img_size"] = (size.height, size.width)
    # 0 is not passed on: some backbones lack the option and would refuse it.
    if settings.dropout:
        options["drop_rate"] = settings.dropout
    if settings.drop_path:
        options["drop_path_rate"] = settings.drop_path
    from_hub = pretrained and settings.weights == "hub"
    try:
        backbone = timm.create_model(settings.backbone, pretrained=from_hub, **options)
    except Exception as e:  # hub clients and backbones raise many kinds; the cause is chained
        raise _user_error(settings, size, e, from_hub) from e
    if pretrained and settings.weights not in ("hub", "none"):
        path = weights.check_path(settings.weights)
        weights.load_into(backbone, path, _classifier(backbone), report)
    elif from_hub:
        # timm loads without looking at values; NaN would show as a diverged training much later.
        weights.require_finite(backbone, f"model.weights=hub, {settings.backbone}")
    # Of the weights as built: the tag of a name may have a normalisation of its own.
    own = backbone.pretrained_cfg
    return backbone, Normalization(tuple(own["mean"]), tuple(own["std"]))


def wants_channels_last(settings: Model) -> bool:
    """Whether this network trains in channels_last memory format."""
    if settings.channels_last != "auto":
        return settings.channels_last == "on"
    return settings.backbone.startswith(_CHANNELS_LAST)


def num_features(backbone: nn.Module) -> int:
    """Width of the pooled features."""
    # Some backbones widen the features once more after pooling (mobilenetv3: 576 -> 1024).
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]


def _classifier(backbone: Any) -> tuple[str, ...]:
    names = backbone.pretrained_cfg.get("classifier") or ()
    return tuple(f"{n}." for n in ((names,) if isinstance(names, str) else names))


def _user_error(settings: Model, size: Size, error: Exception, from_hub: bool) -> UserError:
    first_line = str(error).strip().split("\n", 1)[0][:200]
    text = f"{type(error).__name__}: {first_line}"
    if from_hub and "no pretrained weights" in first_line.lower():
        return UserError(
            f"model.weights=hub: {settings.backbone} has none there; set model.weights=none,"
            " or give a safetensors file as model.weights=PATH."
        )
    # These three are raised by building the network, not by the download.
    if from_hub and not isinstance(error, AssertionError | TypeError | ValueError):
        kind = UserError if isinstance(error, _HUB_REFUSES) else HubUnavailable
        return kind(
            f"model.weights=hub: pretrained weights of {settings.backbone} cannot be loaded from the"
            f" hub ({text}); give a safetensors file as model.weights=PATH, or model.weights=none."
        )
    if "drop_path_rate" in first_line or "drop_rate" in first_line:
        which = "drop_path" if "drop_path_rate" in first_line else "dropout"
        return UserError(f"model.{which}: {settings.backbone} has none; leave it at 0.")
    return UserError(
        f"model.backbone={settings.backbone} cannot be built for image.size={size} ({text})."
    )
