"""Optimizers by name, through timm's factory, with or without layer-wise rates."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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

# kron draws from a generator of its own and keeps lists of tensors, adahessian differentiates twice:
# neither could resume exactly from a checkpoint.
_UNFIT = ("kron", "adahessian")
_SAM = "sam"
Group: TypeAlias = dict[str, Any]
"""A parameter group: "params", and options whose names depend on the optimizer."""


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
    """Optimizer over all trainable parameters of the model, at the rate optim.lr.

    Norms, biases and what the backbone itself exempts (a position embedding) get no weight decay.
    With layer_decay below 1 each group has an "lr_scale": 1 outside of the backbone, and one more factor
    of layer_decay for each of the backbone's layers towards the input, as timm counts them.
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
    # timm puts lr_scale into the groups and leaves it to its own schedulers to apply it.
    set_rate(optimizer, settings.lr)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; a group's own scale (layer-wise decay) is kept."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def _base_names() -> tuple[str, ...]:
    # By prefix: timm registers variants of the same optimizer under longer names.
    return tuple(n for n in list_optimizers() if not n.startswith(_UNFIT))


def _create(setting: str, name: str, groups: list[Group], lr: float) -> torch.optim.Optimizer:
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(groups, opt=name, lr=lr)
    except (AssertionError, ImportError, TypeError, ValueError, RuntimeError) as e:
        raise UserError(f"{setting}={name}: cannot be built here ({e}); choose another one.") from e
    return optimizer


def _groups(model: nn.Module, settings: Optim) -> list[Group]:
    backbones = _backbones(model)
    # timm matches full names of parameters, and the backbone is a part of our network.
    exempt = {
        prefix + pattern
        for prefix, backbone in backbones.items()
        for pattern in getattr(backbone, "no_weight_decay", set)()
    }
    options = {"weight_decay": settings.weight_decay, "no_weight_decay_list": exempt}
    if settings.layer_decay == 1:
        groups: list[Group] = param_groups_weight_decay(model, **options)
    else:
        layered = _Named([*model.named_parameters()], _layers(backbones))
        groups = param_groups_layer_decay(layered, layer_decay=settings.layer_decay, **options)
    return groups


def _backbones(model: nn.Module) -> dict[str, nn.Module]:
    """The timm models in the model by the prefix of their parameters' names; not those within one."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        # named_modules lists parents first, so a backbone's own parts are recognised by its prefix.
        inside = any(name.startswith(prefix) for prefix in found)
        if hasattr(module, "pretrained_cfg") and not inside:
            found[f"{name}." if name else ""] = module
    return found


def _layers(backbones: Mapping[str, Any]) -> dict[str, int]:
    """Layer of each parameter of the backbones: 0 is that of the classifier, -1 the one below it.

    Our head takes the place of the backbone's classifier, without which it was built.
    """
    layers: dict[str, int] = {}
    for prefix, backbone in backbones.items():
        if not hasattr(backbone, "group_matcher"):
            raise UserError(
                f"optim.layer_decay: the backbone ({type(backbone).__name__}) does not name its"
                " layers; leave optim.layer_decay at 1."
            )
        # Listed although absent, so that the layer count below it is timm's own.
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
    """The part of a model's interface that timm's functions on parameter groups use."""

    parameters: list[tuple[str, Any]]
    layers: dict[str, int] = field(default_factory=dict)

    def named_parameters(self) -> list[tuple[str, Any]]:
        return self.parameters

    def group_matcher(self, coarse: bool) -> Callable[[str], int]:
        return lambda name: self.layers.get(name, 0)
