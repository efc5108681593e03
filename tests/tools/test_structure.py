"""tests.tools.structure on a small package whose figures can be counted by hand."""

from pathlib import Path

import pytest

from tests.tools.structure import main, measure

A = '''"""Says hello."""

from typing import Any

from pack.inner import b  # comment


def hello(name: str, *, times: int = 1) -> dict[str, Any]:
    """Greets."""

    def inner(x):
        return x

    # why
    return {"x": inner(name * times)}


def _private(a, b: int, c: int) -> None:
    "Not public."


class Box:
    """Has one method."""

    def open(self, key: str) -> str:
        return f"{key}"
'''
B = "def f() -> None:\n    import pack.a\n    pack.a.hello('')\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of two modules that import one another, with one test file."""
    inner = tmp_path / "pack" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "pack/__init__.py").touch()
    (inner / "__init__.py").touch()
    (tmp_path / "pack/a.py").write_text(A)
    (inner / "b.py").write_text(B)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_inner_b.py").write_text("def test_b():\n    # why\n    assert True\n")
    return tmp_path / "pack"


def test_the_figures_of_a_small_package(package: Path) -> None:
    found = dict(measure([package], package.parent / "tests"))

    lines = len(A.splitlines())
    assert found == {
        "files (not empty)": "4 (2)",
        "lines a file: median / 90 % / most": f"{(lines + 3) / 2:g} / {lines} / {lines}",
        "files of 60 lines or fewer": "2 (100 %)",
        "lines a function: median / 90 % / most": "2 / 8 / 8",
        "public functions with docstring": "33 %",  # hello; not open, not f
        "comments per 100 code lines": "15.4",  # 2 in 13
        "arguments with a type": "71 %",  # not x, not a
        "most positional arguments": "3 (_private)",
        "dict[str, Any] (per 100 code lines)": "1 (7.7)",
        "import cycles": "1; pack.a <-> pack.inner.b",
        "code lines; largest packages": "13; a 77 %, inner 23 %",
        "test lines per code line": "0.15",
        "modules with a test file of their name": "50 %",
    }


def test_the_command_prints_one_line_a_measure(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(package)]) == 0

    out = capsys.readouterr().out.splitlines()
    assert len(out) == 13
    assert out[0].split() == ["files", "(not", "empty)", "4", "(2)"]


def test_an_import_for_types_only_makes_no_cycle(package: Path) -> None:
    typed = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import pack.a\n"
    (package / "inner/b.py").write_text(typed)

    assert dict(measure([package], None))["import cycles"] == "0"


def test_a_folder_without_python_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no Python file here" in capsys.readouterr().err
