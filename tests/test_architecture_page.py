"""The file map of the architecture page has every module once, and the layers are those checked."""

import re
import tomllib
from collections import Counter
from pathlib import Path

TOP = Path(__file__).parents[1]
PAGE = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
MAX_WIDTH = 100


def file_map() -> list[str]:
    """Lines of the file map: package headings and files."""
    (found,) = [b for b in re.findall(r"```\n(.*?)```", PAGE, re.S) if "__main__.py" in b]
    return [line for line in found.splitlines() if line]


def mapped() -> list[str]:
    """Every file of the map, by its path in the checkout."""
    files, package = [], ""
    for line in file_map():
        heading = re.fullmatch(r"(maskcls/[a-z_/]*)(\s+\S.*)?", line)
        if heading:
            package = heading.group(1)
            continue
        entry = re.fullmatch(r"  (\S+\.py)\s{2,}\S.*", line)
        assert entry, f"neither a package nor a file with its purpose: {line}"
        files.append(package + entry.group(1))
    return files


def test_every_module_has_exactly_one_line_in_the_file_map() -> None:
    modules = {
        str(file.relative_to(TOP))
        for file in (TOP / "maskcls").rglob("*.py")
        if file.read_text(encoding="utf-8").strip()
    }
    counts = Counter(mapped())
    assert sorted(modules - counts.keys()) == []
    assert sorted(counts.keys() - modules) == []
    assert [file for file, count in counts.items() if count > 1] == []


def test_the_file_map_is_no_wider_than_a_screen() -> None:
    assert [line for line in file_map() if len(line) > MAX_WIDTH] == []


def test_the_layers_of_the_page_are_those_that_are_checked() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c["type"] == "layers"]
    (shown,) = re.findall(r"```\n(interface > .*?)```", PAGE, re.S)
    assert [layer.split() for layer in shown.split(">")] == [layer.split() for layer in layers]
