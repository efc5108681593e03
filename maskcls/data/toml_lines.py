"""In which line of a TOML file each key stands, which tomllib does not report."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str | int, ...]
"""Keys from the file's top to a value; of an array of tables, the number of the table, from 0."""

_CLOSERS = ("]", "}", '"""', "'''")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, in which each table and key of a TOML text begins.

    text: of a file that was read as TOML. What stands within an inline table or an array may have no
    line of its own; `line_of` finds that of its key.
    """
    found: dict[KeyPath, int] = {}
    tables: KeyPath = ()
    counts = Counter[KeyPath]()
    for line, statement in _statements(text):
        tree = tomllib.loads(statement)
        names = _path_of(tree)
        if not statement.startswith("["):
            for depth in range(1, len(names) + 1):
                found.setdefault(tables + names[:depth], line)
            continue
        tables = ()
        for depth, name in enumerate(names, 1):
            tables += (name,)
            found.setdefault(tables, line)
            if depth == len(names) and statement.startswith("[["):
                counts[tables] += 1
            if counts[tables]:  # [part.of] is of the last [[part]]
                tables += (counts[tables] - 1,)
        found.setdefault(tables, line)
    return found


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, else of the innermost table around it that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headings of tables and keys with their values: the first line's number, and the text."""
    start, open_lines = 1, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not open_lines:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        open_lines.append(line.lstrip() if number == start else line)
        statement = "\n".join(open_lines)
        # A value of many lines, such as a list of classes, is tried only where it may end, since each
        # try reads all of it.
        if number > start and not _may_end_in(line):
            continue
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield start, statement
        open_lines = []


def _may_end_in(line: str) -> bool:
    """Whether a value may end in a line: at its end, or before a comment."""
    return any(part.rstrip().endswith(_CLOSERS) for part in line.split("#"))


def _path_of(tree: Mapping[str, Any]) -> KeyPath:
    """The names of a statement's one table or key, and on into an inline table of one key."""
    path: KeyPath = ()
    inner: Any = tree
    while isinstance(inner, Mapping) and len(inner) == 1:
        ((name, inner),) = inner.items()
        path += (name,)
    return path
