"""An optimizer's state as tensors and plain JSON values, and back, bit-identical."""

from typing import Any, TypedDict

import torch

_STATE = "optimizer."  # optimizer.3.exp_avg: of parameter 3
_OPTION = "group."  # group.0.step: of parameter group 0; timm's Lamb counts there


Options = dict[str, Any]
"""An optimizer's options of a parameter group, or its state of one parameter, by its own names."""


class PlainState(TypedDict):
    """The part that is JSON. groups: options of each; values: of state that is no tensor, by key."""

    groups: list[Options]
    values: dict[str, object]


def take(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], PlainState]:
    """Tensors on the CPU by name, and everything else as JSON values.

    Options that are neither (a dtype) are left out: they are constants that follow from the settings.
    Raises TypeError when a parameter's state is neither: without it, resuming would not be exact.
    """
    whole = optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    plain: PlainState = {"groups": [], "values": {}}
    for number, group in enumerate(whole["param_groups"]):
        plain["groups"].append({k: v for k, v in group.items() if _is_plain(v)})
        for name, value in group.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{_OPTION}{number}.{name}"] = _copy(value)
    for number, values in whole["state"].items():
        for name, value in values.items():
            key = f"{_STATE}{number}.{name}"
            if isinstance(value, torch.Tensor):
                tensors[key] = _copy(value)
            elif _is_plain(value):
                plain["values"][key] = value
            else:
                raise TypeError(f"the optimizer's {name} is a {type(value).__name__}")
    return tensors, plain


def put_back(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], plain: PlainState
) -> None:
    """Undo take, in an optimizer built by the same settings; other tensors are ignored."""
    # torch numbers parameters through all groups, in this order.
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    groups = [
        _options(now, then)
        for now, then in zip(optimizer.state_dict()["param_groups"], plain["groups"], strict=True)
    ]
    state: dict[int, Options] = {}
    for key, value in [*tensors.items(), *plain["values"].items()]:
        if key.startswith(_OPTION):
            _, number, name = key.split(".", 2)
            groups[int(number)][name] = value
        elif key.startswith(_STATE):
            _, number, name = key.split(".", 2)
            own = parameters[int(number)]
            if isinstance(value, torch.Tensor) and value.ndim > 1 and value.shape == own.shape:
                # In the parameter's memory format: with another one the same arithmetic runs in
                # other vector lanes, and the last bits would not be those of the first time.
                value = torch.empty_like(own, dtype=value.dtype).copy_(value)
            state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _options(now: Options, then: Options) -> Options:
    # JSON made lists of the tuples (Adam's betas). Options that take() left out stay as built.
    read = {k: tuple(v) if isinstance(now.get(k), tuple) else v for k, v in then.items()}
    return now | read


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    # A copy on the CPU as well, where .cpu() returns the tensor itself; safetensors needs it contiguous.
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _is_plain(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(x, bool | int | float | str | None) for x in items)
