"""Dataclasses through JSON and back."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from maskcls.core.plain import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    number: int
    label: str | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    maybe: Inner | None
    pair: tuple[int, str]
    many: tuple[float, ...]
    items: list[Inner] = field(default_factory=list)
    table: dict[str, Inner] = field(default_factory=dict)
    either: int | str = 0
    anything: Any = None


def sample(**changes: Any) -> Outer:
    given: dict[str, Any] = {
        "name": "x",
        "inner": Inner(1, "a"),
        "maybe": Inner(2),
        "pair": (1, "b"),
        "many": (0.5, 1.5, 2.5),
        "items": [Inner(3), Inner(4, "c")],
        "table": {"k": Inner(5)},
        "either": "text",
        "anything": {"free": [1, None]},
    }
    return Outer(**(given | changes))


@pytest.mark.parametrize(
    "value",
    [sample(), sample(maybe=None), sample(many=(), items=[], table={}), sample(either=3)],
)
def test_a_round_trip_through_json_is_exact(value: Outer) -> None:
    assert from_plain(Outer, json.loads(json.dumps(to_plain(value)))) == value


def test_plain_values_are_nested_dicts() -> None:
    plain = to_plain(sample())
    assert plain["inner"] == {"number": 1, "label": "a"}
    assert plain["items"][0] == {"number": 3, "label": None}
    assert plain["table"] == {"k": {"number": 5, "label": None}}


def test_fields_with_a_default_may_be_missing() -> None:
    values = {"name": "x", "inner": {"number": 1}, "maybe": None, "pair": [1, "b"], "many": []}
    assert from_plain(Outer, values) == Outer("x", Inner(1), None, (1, "b"), ())
    one, two = from_plain(Outer, values), from_plain(Outer, values)
    assert one.items is not two.items  # a default of its own


@pytest.mark.parametrize("missing", ["name", "inner", "maybe", "pair", "many"])
def test_a_missing_field_is_named(missing: str) -> None:
    values = to_plain(sample())
    del values[missing]
    with pytest.raises(KeyError, match=missing):
        from_plain(Outer, values)


def test_a_missing_field_inside_is_named() -> None:
    values = to_plain(sample())
    del values["items"][1]["number"]
    with pytest.raises(KeyError, match="number"):
        from_plain(Outer, values)


def test_fields_of_a_later_version_are_ignored() -> None:
    values = to_plain(sample()) | {"later": 1}
    values["inner"]["later"] = [2]
    assert from_plain(Outer, values) == sample()


@pytest.mark.parametrize("values", [None, 3, "text", ["name"]])
def test_what_is_no_object_is_a_value_error(values: Any) -> None:
    with pytest.raises(ValueError, match="Outer: not an object"):
        from_plain(Outer, values)


def test_a_tuple_of_another_length_is_refused() -> None:
    values = to_plain(sample()) | {"pair": [1, "b", 2]}
    with pytest.raises(ValueError, match=r"shorter|longer"):
        from_plain(Outer, values)
