"""From flat values with origins to one validated, frozen Config; and back to plain JSON."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from maskcls.config import parts
from maskcls.config.layers import Value, gather
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.config.sentences import name_of, sentence_of
from maskcls.core.errors import UserError


def resolve(preset: str | None = None, file: str | None = None, sets: Iterable[str] = ()) -> Config:
    """The configuration that preset, TOML file and --set texts make together.

    Raises UserError with all faults at once: unknown names with the nearest known one, wrong values
    with what was expected, settings of a loss that was not chosen.
    """
    return from_flat(gather(preset, file, sets))


def from_flat(flat: Mapping[str, Value]) -> Config:
    """Validate flat values; see resolve."""
    tree, faults = _tree(flat)
    try:
        config = _validate(tree, flat)
    except _Wrong as e:
        # A relation is judged with defaults where a value was refused: told only when all are good.
        faults += [text for name, text in e.faults if name or not faults]
    if faults:
        raise UserError("\n".join(faults))
    return config


def from_json(tree: Mapping[str, Any]) -> Config:
    """Read back what to_json gave, such as a run's config.json; UserError with all faults."""
    try:
        return _validate(tree, {})
    except _Wrong as e:
        raise UserError("\n".join(text for _, text in e.faults)) from e


def to_json(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values, nested by section."""
    plain: dict[str, Any] = _adapter().dump_python(config, mode="json")
    return plain


def flat_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's JSON as {"optim.lr": 0.001, ...}; the view that compare and refuse use."""
    flat = {f"{s}.{name}": v for s, values in config.items() for name, v in values.items()}
    name, own = flat.get("loss.name"), flat.pop("loss.settings", {})
    return flat | {f"loss.{name}.{key}": value for key, value in own.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Settings that change numbers and differ: "optim.lr: 0.001 there, 0.5 now"; both as JSON."""
    a, b = flat_json(old), flat_json(new)
    names = [n for n in sorted(a | b) if n not in PLACEMENT_ONLY and a.get(n) != b.get(n)]
    return [f"{n}: {a.get(n, 'not set')} there, {b.get(n, 'not set')} now" for n in names]


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Config)


def _known() -> dict[str, Any]:
    """Every setting's flat name -> its type."""
    names: dict[str, Any] = {}
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(section.default_factory):  # type: ignore[arg-type]
            if (section.name, field.name) != ("loss", "settings"):
                names[f"{section.name}.{field.name}"] = field.type
    return names


def _tree(flat: Mapping[str, Value]) -> tuple[dict[str, Any], list[str]]:
    """The values by section, without those that are refused already; and why they are."""
    known = _known()
    loss = flat["loss.name"].value if "loss.name" in flat else Config().loss.name
    own = {s.name: (name, s) for name in parts.choices("loss.name")
           for s in parts.own_settings("loss.name", name)}  # fmt: skip
    tree: dict[str, Any] = {}
    faults = []
    for name, value in flat.items():
        where = f"{name} (from {value.origin})"
        if name not in known and name not in own:
            near = difflib.get_close_matches(name, [*known, *own], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else "; see maskcls train --help."
            faults.append(f"{where}: no such setting{hint}")
        elif name in own and own[name][0] != loss:
            faults.append(f"{where}: loss.name is {loss}, not {own[name][0]}.")
        elif _holds_bool(value.value) and not _is_bool(known[name] if name in known else own[name]):
            # bool is an int to Python: optim.lr=true would silently become 1.0.
            faults.append(f"{where}: true and false are no value for this.")
        elif name in parts.FOLDERS and value.value not in parts.choices(name):
            choices = ", ".join(parts.choices(name))
            faults.append(f"{where}: there is no {value.value!r}; choose from {choices}.")
        elif name in known:
            section, key = name.split(".", 1)
            tree.setdefault(section, {})[key] = value.value
        else:
            key = name.rsplit(".", 1)[1]
            tree.setdefault("loss", {}).setdefault("settings", {})[key] = value.value
    return tree, faults


def _holds_bool(value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, Mapping) and any(isinstance(v, bool) for v in value.values())
    )


def _is_bool(setting: Any) -> bool:
    """Whether a setting is one; setting: a field's type, or a loss and its own setting as text."""
    return setting is bool or (isinstance(setting, tuple) and setting[1].kind == "bool")


class _Wrong(Exception):
    """Values that were refused: pairs of the setting's name, "" for a relation, and a sentence."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = faults


def _validate(tree: Mapping[str, Any], flat: Mapping[str, Value]) -> Config:
    from pydantic import ValidationError

    try:
        config: Config = _adapter().validate_python(tree)
    except ValidationError as e:
        errors = _one_per_setting(e.errors())
        raise _Wrong([(name_of(x), sentence_of(x, flat)) for x in errors]) from e
    return config


def _one_per_setting(errors: list[Any]) -> list[Any]:
    """Join errors by the setting's path: "int or auto" gives two for one wrong value."""
    joined: dict[tuple[Any, ...], Any] = {}
    for error in errors:
        path = error["loc"][:2]
        if path in joined:
            joined[path] = joined[path] | {"msg": f"{joined[path]['msg']}, or {error['msg']}"}
        else:
            joined[path] = error
    return list(joined.values())
