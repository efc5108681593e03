"""Dataclasses to plain JSON values and back; for the records of a run, which people read, too."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A dataclass as nested dicts, lists and scalars."""
    return dataclasses.asdict(value)


def from_plain(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build a dataclass from the result of to_plain; fields with a default may be missing.

    Keys that the class does not have are ignored, so that a record written by a later version, with one
    field more, can still be read. Raises KeyError with the name of a missing field, ValueError for JSON
    that is not an object.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__}: not an object: {values!r:.80}")
    # Resolved, since annotations may be strings.
    hints = typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in values:
            found[field.name] = _as(hints[field.name], values[field.name])
        elif _is_required(field):
            raise KeyError(field.name)
    return kind(**found)


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _as(hint: Any, value: Any) -> Any:
    """The JSON value in the type of the annotation: dataclasses, tuples, also inside list and dict."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    if origin in (typing.Union, types.UnionType):
        kinds = [k for k in inner if k is not type(None)]
        # Of several kinds JSON does not say which was meant; only plain ones are used so.
        return _as(kinds[0], value) if len(kinds) == 1 else value
    if origin is list:
        return [_as(inner[0], x) for x in value]
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[1:] == (Ellipsis,) else list(inner)
        return tuple(_as(k, x) for k, x in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _as(inner[1], x) for key, x in value.items()}
    return value
