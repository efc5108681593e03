"""Optimizers by name, through timm's factory, with or without layer-wise rates."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.models import group_parameters
from timm.optim import (
    create_optimizer_v2,
    list_optimizers,
    param_groups_layer_decay,
    param_groups_weight_decay,
)
from torch import nn

from maskcls.config.schema import Optim
from maskcls.core.errors import UserError
from maskcls.optim.sam import Sam

# kron draws from a generator of its own and keeps lists of tensors, adahessian wants to
# differentiate twice: neither could resume exactly from a checkpoint.
_UNFIT = ("kron", "adahessian")
_SAM = "sam"


def names() -> tuple[str, ...]:
    """Names that optim.name can take; some need a GPU or another package to be built."""
    return (*_base_names(), _SAM)


def check_name(name: str, setting: str = "optim.name") -> None:
    """UserError with the nearest name when the setting, name or sam_base, cannot take this one."""
    known = names() if setting == "optim.name" else _base_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else "adam and adamw are two."
        raise UserError(f"{setting}: there is no {name!r}; {hint}")


def build(model: nn.Module, settings: Optim) -> torch.optim.Optimizer:
    """Optimizer over all parameters of the model that learn, at the rate optim.lr.

    Norms, biases and what the backbone itself exempts (a position embedding) get no weight decay.
    With layer_decay below 1 each group has an "lr_scale": 1 for all that is not backbone, and the
    factor once more for each of the backbone's layers on the way down, as timm counts them.
    The optimizer is a Sam when optim.name is sam, which takes two passes an update.
    Raises UserError when the optimizer cannot be built here, or the backbone does not name its layers.
    """
    check_name(settings.name)
    groups = _groups(model, settings)
    if settings.name == _SAM:
        check_name(settings.sam_base, "optim.sam_base")
        base = _create("optim.sam_base", settings.sam_base, groups, settings.lr)
        optimizer: torch.optim.Optimizer = Sam(base, settings.sam_rho)
    else:
        optimizer = _create("optim.name", settings.name, groups, settings.lr)
    set_rate(optimizer, settings.lr)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group's own scale (layer-wise decay) is kept."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def _base_names() -> tuple[str, ...]:
    return tuple(n for n in list_optimizers() if not n.startswith(_UNFIT))


def _create(
    setting: str, name: str, groups: list[dict[str, Any]], lr: float
) -> torch.optim.Optimizer:
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(groups, opt=name, lr=lr)
    except (AssertionError, ImportError, TypeError, ValueError, RuntimeError) as e:
        raise UserError(f"{setting}={name}: cannot be built here ({e}); take another one.") from e
    return optimizer


def _groups(model: nn.Module, settings: Optim) -> list[dict[str, Any]]:
    backbones = _backbones(model)
    exempt = {
        prefix + pattern
        for prefix, backbone in backbones.items()
        for pattern in getattr(backbone, "no_weight_decay", set)()
    }
    options = {"weight_decay": settings.weight_decay, "no_weight_decay_list": exempt}
    if settings.layer_decay == 1:
        groups: list[dict[str, Any]] = param_groups_weight_decay(model, **options)
    else:
        layered = _Named([*model.named_parameters()], _layers(backbones))
        groups = param_groups_layer_decay(layered, layer_decay=settings.layer_decay, **options)
    return groups


def _backbones(model: nn.Module) -> dict[str, Any]:
    """The timm models in the model by the prefix of their parameters' names; not those within one."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(prefix) for prefix in found)
        if hasattr(module, "pretrained_cfg") and not inside:
            found[f"{name}." if name else ""] = module
    return found


def _layers(backbones: dict[str, Any]) -> dict[str, int]:
    """Layer of each parameter of the backbones: 0 is that of the classifier, -1 the one below it.

    Our heads stand where the backbone's own classifier, which it was built without, would stand.
    """
    layers: dict[str, int] = {}
    for prefix, backbone in backbones.items():
        if not hasattr(backbone, "group_matcher"):
            raise UserError(
                f"optim.layer_decay: the backbone ({type(backbone).__name__}) does not name its"
                " layers; leave optim.layer_decay at 1."
            )
        named = [*backbone.named_parameters(), *((name, None) for name in _classifier(backbone))]
        matcher = backbone.group_matcher(coarse=False)
        own: dict[str, int] = group_parameters(_Named(named), matcher, reverse=True)
        top = max(own.values())
        layers |= {prefix + name: layer - top for name, layer in own.items()}
    if not layers:
        raise UserError("optim.layer_decay: there is no backbone with layers; leave it at 1.")
    return layers


def _classifier(backbone: Any) -> list[str]:
    names = backbone.pretrained_cfg.get("classifier") or "classifier"
    return [f"{n}.weight" for n in ((names,) if isinstance(names, str) else names)]


@dataclass(frozen=True)
class _Named:
    """The little that timm's functions on parameter groups ask of a model, timm's own or not."""

    parameters: list[tuple[str, Any]]
    layers: dict[str, int] = field(default_factory=dict)

    def named_parameters(self) -> list[tuple[str, Any]]:
        return self.parameters

    def group_matcher(self, coarse: bool) -> Callable[[str], int]:
        return lambda name: self.layers.get(name, 0)
