"""Measures of the source, as a table: is it getting better or worse?

    python -m tests.tools.structure [FOLDER ...] [--tests FOLDER]

FOLDER: package folders (default: maskcls and ray_jobs of this checkout). What is counted:

- **file**: a `.py` file. All figures about files leave out those without a character but blanks.
- **lines a file**, **lines a function**: physical lines, from the first to the last; a function's
  decorators are not counted, functions in functions count for both. 90 %: so many are no longer.
- **code lines**: lines with at least one token that is no comment and no docstring.
- **comments**: comment tokens, at a line's end or alone; those for tools (`type:`, `noqa`, `fmt:`)
  too.
- **public function**: a function or method that no function contains, whose name and whose class's
  names begin with no underscore. Overloads and setters are not counted.
- **arguments with a type**: of all functions, `*args` and `**kwargs` too, without self and cls.
- **positional arguments**: what a caller may give without a name, without self and cls. What
  dataclasses generate is not seen.
- **test lines per code line**: code lines of the tests by code lines of the packages.
- **dict[str, Any]**: lines that hold it.
- **import cycles**: groups of modules that import one another, in functions too, under
  `if TYPE_CHECKING` not.
- **share of code**: code lines of a package directly below the folder.
- **test file of its name**: `test_NAME.py`, or `test_PACKAGE_NAME.py` for any part of the module's
  path; `__init__` and `__main__` are not counted.
"""

import argparse
import ast
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.tools.sources import (
    Source,
    all_arguments,
    cycles,
    functions,
    has_test,
    imports,
    positional,
    public_functions,
    read,
)

Row = tuple[str, str]
"""Name of a measure, and its value as text."""


def measure(packages: Sequence[Path], tests: Path | None) -> list[Row]:
    """The table, from top to bottom; without tests those rows are left out."""
    sources = [source for folder in packages for source in read(folder)]
    filled = [s for s in sources if s.text.strip()]
    code = {s.module: s.code_lines() for s in filled}
    rows = [("files (not empty)", f"{len(sources)} ({len(filled)})")]
    rows += size_rows(filled) + style_rows(filled, sum(code.values())) + module_rows(filled, code)
    return rows if tests is None else rows + test_rows(filled, sum(code.values()), read(tests))


def size_rows(sources: list[Source]) -> list[Row]:
    """How long files and functions are."""
    sizes = [s.num_lines for s in sources]
    short = sum(size <= 60 for size in sizes)
    lengths = [(f.end_lineno or f.lineno) - f.lineno + 1 for s in sources for f in functions(s)]
    return [
        ("lines a file: median / 90 % / most", spread(sizes)),
        ("files of 60 lines or fewer", f"{short} ({percent(short, len(sizes))})"),
        ("lines a function: median / 90 % / most", spread(lengths)),
    ]


def style_rows(sources: list[Source], num_code_lines: int) -> list[Row]:
    """Docstrings, comments, types."""
    public = [f for s in sources for f in public_functions(s.tree)]
    documented = sum(ast.get_docstring(f) is not None for f in public)
    defs = [f for s in sources for f in functions(s)]
    args = [a for f in defs for a in all_arguments(f)]
    typed = sum(a.annotation is not None for a in args)
    most = max((len(positional(f)) for f in defs), default=0)
    who = sorted({f.name for f in defs if len(positional(f)) == most})
    loose = sum("dict[str, Any]" in line for s in sources for line in s.text.splitlines())
    return [
        ("public functions with docstring", percent(documented, len(public))),
        ("comments per 100 code lines", each(sum(s.comments() for s in sources), num_code_lines)),
        ("arguments with a type", percent(typed, len(args))),
        ("most positional arguments", f"{most} ({', '.join(who[:3])})"),
        ("dict[str, Any] (per 100 code lines)", f"{loose} ({each(loose, num_code_lines)})"),
    ]


def module_rows(sources: list[Source], code: dict[str, int]) -> list[Row]:
    """How modules depend on one another, and where the code is; code: lines of each module."""
    known = frozenset(code)
    circles = cycles({s.module: imports(s, known) for s in sources})
    shown = "".join(f"; {' <-> '.join(sorted(group))}" for group in circles)
    total = sum(code.values())
    return [
        ("import cycles", f"{len(circles)}{shown}"),
        ("code lines; largest packages", f"{total}; {shares(code, total)}"),
    ]


def test_rows(sources: list[Source], num_code_lines: int, tests: list[Source]) -> list[Row]:
    """How much test there is, and whether it lies where one looks for it."""
    code = sum(s.code_lines() for s in tests)
    names = frozenset(s.path.stem for s in tests)
    modules = [s.module for s in sources if not s.path.stem.startswith("__")]
    tested = sum(has_test(module, names) for module in modules)
    return [
        ("test lines per code line", f"{code / max(1, num_code_lines):.2f}"),
        ("modules with a test file of their name", percent(tested, len(modules))),
    ]


def spread(values: list[int]) -> str:
    """Median, the value that 90 % do not exceed, and the maximum."""
    if not values:
        return "-"
    ranked = sorted(values)
    return f"{statistics.median(ranked):g} / {ranked[int(0.9 * len(ranked))]} / {ranked[-1]}"


def each(part: int, whole: int) -> str:
    """How many in a hundred lines."""
    return f"{100 * part / whole:.1f}" if whole else "-"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def shares(code: dict[str, int], total: int, num: int = 5) -> str:
    """The packages with the most code, and their share."""
    by_package: Counter[str] = Counter()
    for module, lines in code.items():
        by_package[".".join(module.split(".")[:2])] += lines
    largest = by_package.most_common(num)
    return ", ".join(f"{name.rpartition('.')[2]} {percent(n, total)}" for name, n in largest)


def main(words: Sequence[str] | None = None) -> int:
    """Print the table; 2 when a folder has no Python file."""
    here = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--tests", type=Path, help="tests (default: beside the first FOLDER)")
    args = parser.parse_args(words)
    folders = [f.absolute() for f in args.folders] or [here / "maskcls", here / "ray_jobs"]
    for folder in folders:
        if not any(folder.rglob("*.py")):
            print(f"{folder}: no Python file here; name a package's folder.", file=sys.stderr)
            return 2
    tests = args.tests or folders[0].parent / "tests"
    rows = measure(folders, tests if tests.is_dir() else None)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
