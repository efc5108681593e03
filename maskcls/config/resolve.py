"""From flat values with origins to one validated, frozen Config; and back to plain JSON."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from maskcls.config import parts, relations
from maskcls.config.layers import TomlFile, Value, gather, name_of, sentence_of
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.core.errors import UserError


def resolve(
    preset: str | None = None, file: TomlFile | None = None, sets: Iterable[str] = ()
) -> Config:
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
        faults += [f"{text}." for text in _idle(flat, config)]
    except _Wrong as e:
        # With a refused value, a relation would be checked against its default: relations are reported
        # only when all values are valid.
        faults += [text for name, text in e.faults if name or not faults]
    if faults:
        raise UserError("\n".join(faults))
    return config


def value_faults(flat: Mapping[str, Value]) -> list[str]:
    """What is wrong with names and values alone, without the relations between them."""
    tree, faults = _tree(flat)
    try:
        _validate(tree, flat)
    except _Wrong as e:
        faults += [text for name, text in e.faults if name]
    return faults


def _idle(flat: Mapping[str, Value], config: Config) -> list[str]:
    """Sentences for values that the user gave and that have no effect."""
    sentences = []
    for name, value in flat.items():
        sentence = None if value.is_presets else relations.idle(name, config)
        if sentence is not None:
            sentences.append(sentence)
    return sentences


def from_json(tree: Mapping[str, Any]) -> Config:
    """Read the result of to_json, such as a run's config.json; UserError with all faults."""
    try:
        return _validate(tree, {})
    except _Wrong as e:
        raise UserError("\n".join(text for _, text in e.faults)) from e


def to_json(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values, nested by section."""
    plain: dict[str, Any] = _adapter().dump_python(config, mode="json")
    return plain


def flat_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's JSON as {"optim.lr": 0.001, ...}; the form for comparisons."""
    flat = {f"{s}.{name}": v for s, values in config.items() for name, v in values.items()}
    # As users spell them: loss.focal.gamma, without the "settings" of the dataclass.
    for section in _PART_SECTIONS:
        for choice, own in flat.pop(f"{section}.settings", {}).items():
            flat |= {f"{section}.{choice}.{key}": value for key, value in own.items()}
    return flat


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Settings that change numbers and differ: "optim.lr: 0.001 there, 0.5 now"; both as JSON."""
    a, b = flat_json(old), flat_json(new)
    # Of the union, since a run of an older version lacks new settings.
    names = [n for n in sorted(a | b) if n not in PLACEMENT_ONLY and a.get(n) != b.get(n)]
    return [f"{n}: {a.get(n, 'not set')} there, {b.get(n, 'not set')} now" for n in names]


# Cached: building the validator of all sections takes longer than any validation.
@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Config)


def known_settings() -> dict[str, Any]:
    """Every setting's flat name -> its type."""
    names: dict[str, Any] = {}
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(section.default_factory):  # type: ignore[arg-type]
            if field.name != "settings":
                names[f"{section.name}.{field.name}"] = field.type
    return names


def _tree(flat: Mapping[str, Value]) -> tuple[dict[str, Any], list[str]]:
    """The values by section, without those that are refused here, and the reasons of the refusals."""
    known, own = known_settings(), own_settings()
    faults: list[str] = []
    in_force = {setting: _chosen(setting, flat, faults) for setting in parts.FOLDERS}
    tree: dict[str, Any] = {section: {"settings": {}} for section in _PART_SECTIONS}
    for setting, names in in_force.items():
        for name in names or ():
            # Written out, so that config.json keeps them even if a later version has other defaults.
            defaults = parts.own_defaults(setting, name)
            tree[parts.section_of(setting)]["settings"][name] = defaults
    for name, value in flat.items():
        where = f"{name} (from {value.origin})"
        if name not in known and name not in own:
            near = difflib.get_close_matches(name, [*known, *own], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else "; see maskcls train --help."
            faults.append(f"{where}: no such setting{hint}")
        elif name in own and own[name].choice not in (in_force[own[name].setting] or ()):
            chosen = in_force[own[name].setting]
            # A preset's values for a choice that the user replaced have no effect; and settings of a
            # wrong choice cannot be checked.
            if not value.is_presets and chosen is not None:
                now = "+".join(chosen) or "none"
                faults.append(f"{where}: {own[name].setting} is {now}, not {own[name].choice}.")
        elif _holds_bool(value.value) and not (
            known[name] is bool if name in known else own[name].kind == "bool"
        ):
            # bool is an int to Python: optim.lr=true would silently become 1.0.
            faults.append(f"{where}: true and false are not valid here.")
        elif name in known:
            section, key = name.split(".", 1)
            tree.setdefault(section, {})[key] = (
                value.as_text() if known[name] is str else value.value
            )
        else:
            section, choice, key = name.split(".", 2)
            tree[section]["settings"][choice][key] = (
                value.as_text() if own[name].kind == "str" else value.value
            )
    return tree, faults


_PART_SECTIONS = tuple(dict.fromkeys(parts.section_of(setting) for setting in parts.FOLDERS))


@dataclasses.dataclass(frozen=True)
class Own:
    """A choice's own setting: which setting chooses it, the choice, and the annotation's text."""

    setting: str
    choice: str
    kind: str


def own_settings() -> dict[str, Own]:
    """Flat names of all choices' own settings."""
    return {
        own.name: Own(setting, choice, own.kind)
        for setting in parts.FOLDERS
        for choice in parts.choices(setting)
        for own in parts.own_settings(setting, choice)
    }


def _chosen(setting: str, flat: Mapping[str, Value], faults: list[str]) -> tuple[str, ...] | None:
    """Names that a choosing setting has now; None for a wrong value, which is a fault."""
    section, key = setting.split(".")
    given = flat.get(setting)
    value = given.as_text() if given else getattr(getattr(Config(), section), key)
    if not isinstance(value, str):  # the validator reports it
        return None
    try:
        return parts.chosen(setting, value)
    except UserError as e:
        origin = f" (from {given.origin})" if given else ""
        faults.append(str(e).replace(f"{setting}:", f"{setting}{origin}:", 1))
        return None


def _holds_bool(value: Any) -> bool:
    inside = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, bool) or (
        isinstance(value, Mapping | list) and any(isinstance(v, bool) for v in inside)
    )


class _Wrong(Exception):
    """Refused values: pairs of the setting's name, "" for a relation, and a sentence."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__(faults)
        self.faults = faults


def _validate(tree: Mapping[str, Any], flat: Mapping[str, Value]) -> Config:
    # Imported here, with the first configuration: --help does without pydantic.
    from pydantic import ValidationError

    try:
        config: Config = _adapter().validate_python(tree)
    except ValidationError as e:
        errors = _one_per_setting(e.errors())
        raise _Wrong([(name_of(x), sentence_of(x, flat)) for x in errors]) from e
    return config


def _one_per_setting(errors: list[Any]) -> list[Any]:
    """Join errors by the setting's path: "int or auto" gives two for one wrong value."""
    # Two levels: deeper parts of the path are pydantic's names of the alternatives.
    joined: dict[tuple[Any, ...], Any] = {}
    for error in errors:
        path = error["loc"][:2]
        if path in joined:
            joined[path] = joined[path] | {"msg": f"{joined[path]['msg']}, or {error['msg']}"}
        else:
            joined[path] = error
    return list(joined.values())
