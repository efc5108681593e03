"""The tables of a task file: its keys, the kind of each value, and sources, which values come from."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Source:
    """Where a row's value comes from.

    column: text is a column's name. path: text is a regular expression with one group, searched in
    the image's path. stem: the file's name without extension. folder: the first folder of the path below
    the images (below train/, val/, ... where the data has those). one_hot: that one of `columns` which
    is 1.
    """

    kind: Literal["column", "path", "stem", "folder", "one_hot"]
    text: str = ""
    columns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: Any) -> "Source":
        """Read "stem", "folder", "path:REGEX", a column's name, or a list of columns.

        Raises ValueError with what is wrong.
        """
        if isinstance(value, list):
            if len(value) < 2 or not all(isinstance(v, str) and v for v in value):
                raise ValueError("a list names two or more columns, of which one is 1 in each row")
            return cls("one_hot", columns=tuple(value))
        if not isinstance(value, str) or not value.strip():
            raise ValueError(
                "expected a column's name, stem, folder, path:REGEX or a list of columns"
            )
        if value in ("stem", "folder"):
            return cls("stem" if value == "stem" else "folder")
        if value.startswith("path:"):
            text = value.removeprefix("path:")
            try:
                groups = re.compile(text).groups
            except re.error as e:
                raise ValueError(f"{text!r} is not a regular expression ({e})") from e
            if groups != 1:
                raise ValueError(
                    f"{text!r} has {groups} groups in parentheses; give it exactly one"
                )
            return cls("path", text)
        return cls("column", value.strip())

    @property
    def written(self) -> str:
        """As a task file writes it; a list of columns without brackets."""
        if self.kind in ("stem", "folder"):
            return self.kind
        return f"path:{self.text}" if self.kind == "path" else self.text or ", ".join(self.columns)


KEYS: dict[str, dict[str, str]] = {
    "task": {
        "name": "text", "images": "text", "table": "text", "row": "text", "image": "text",
        "suffix": "text", "group": "source", "fold": "source", "strata": "texts", "metric": "text",
        "also": "texts", "absent": "text", "checks": "text", "defaults": "text",
    },
    "part": {
        "name": "text", "from": "source", "values": "texts", "of": "mapping", "borders": "numbers",
        "numbers": "numbers", "scale": "floats",
    },
    "eval": {"images": "text", "table": "text", "image": "text", "suffix": "text", "group": "source"},
    "answers": {"columns": "texts", "values": "text", "like": "text"},
}  # fmt: skip
"""The kind of each key of each table."""
_NEEDED = {"task": ("images",), "part": ("name", "from"), "eval": ("images",), "answers": ()}


def read_table(name: str, table: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A table's values by key, each of its kind, with sources parsed; and for each fault the key, ""
    where the table is at fault, and a sentence."""
    if not isinstance(table, Mapping):
        text = f"needs a table [{name}]" if table is None else f"[{name}] is not a table"
        return {}, [("", text)]
    known, found, faults = KEYS[name], dict[str, Any](), list[tuple[str, str]]()
    for key, value in table.items():
        if key not in known:
            faults.append((key, f"[{name}] {key}: no such key{nearest(key, known)}"))
            continue
        try:
            found[key] = _of_kind(known[key], value)
        except ValueError as e:
            faults.append((key, f"[{name}] {key} = {value!r}: {e}"))
    for key in _NEEDED[name]:
        if key not in table:
            faults.append(("", f"[{name}] needs the key {key}"))
    return found, faults


def _of_kind(kind: str, value: Any) -> Any:
    """A value of a key as its kind has it; ValueError with what was expected."""
    if kind == "source":
        return Source.parse(value)
    if kind == "text":
        if not isinstance(value, str):
            raise ValueError("expected text in quotes")
        return value
    if kind == "mapping":
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise ValueError('expected a table such as { cat1 = "cat", cat2 = "cat" }')
        return value
    expected: dict[str, tuple[type, ...]]
    expected = {"texts": (str,), "numbers": (int,), "floats": (int, float)}
    if not isinstance(value, list) or not all(
        isinstance(v, expected[kind]) and not isinstance(v, bool) for v in value
    ):
        words = {"texts": "texts", "numbers": "whole numbers", "floats": "numbers"}[kind]
        raise ValueError(f"expected a list of {words}")
    return tuple(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
