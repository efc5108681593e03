"""Each module has a test file of its name, or a table here names the file that tests it."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.tools.sources import Source, has_test, read

ROOT = Path(__file__).parents[2]
TEST_NAMES = frozenset(path.stem for path in (ROOT / "tests").rglob("test_*.py"))
TABLES = sorted(
    path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path != Path(__file__)
)


def entries_of(table: str) -> dict[str, str]:
    """A table: repository path of the module -> repository path of its test file."""
    found: dict[str, str] = importlib.import_module(f"tests.namesakes.{table}").TESTED_IN
    return found


def modules() -> list[Source]:
    """All modules that are not empty; __init__ and __main__ are tested with what they import."""
    found = [s for package in ("maskcls", "ray_jobs") for s in read(ROOT / package)]
    return [s for s in found if s.text.strip() and not s.path.stem.startswith("__")]


def test_each_module_has_a_test_file() -> None:
    named = {module for table in TABLES for module in entries_of(table)}
    without = [
        path
        for s in modules()
        if (path := s.path.relative_to(ROOT).as_posix()) not in named
        and not has_test(s.module, TEST_NAMES)
    ]
    assert without == []


@pytest.mark.parametrize("table", TABLES)
def test_the_entries_of_a_table_are_true(table: str) -> None:
    for module, test in entries_of(table).items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert is_named(ROOT / module, text), f"{test} names nothing of {module}"


def is_named(module: Path, text: str) -> bool:
    """Whether a test's text has the import path of a module, or a public name that it defines."""
    dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts)
    if dotted in text or dotted in imported(text):
        return True
    (source,) = [s for s in modules() if s.path == module]
    own = [getattr(node, "name", "_") for node in source.tree.body]
    public = [name for name in own if not name.startswith("_")]
    return any(re.search(rf"\b{name}\b", text) for name in public)


def imported(text: str) -> set[str]:
    """What a test imports, by dotted name."""
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)]
    return {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
