"""Every link of every page leads to a file, and to a heading where it names one; so do file names."""

import re
from pathlib import Path

import pytest

from tests.markdown_page import broken_links

TOP = Path(__file__).parents[1]
EXAMPLES = ("maskcls/losses/poly.py",)
"""Files that a page asks its reader to write."""
PAGES = [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")]


def test_there_are_pages() -> None:
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"} <= {
        str(page.relative_to(TOP)) for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_modules_that_a_page_names_exist(page: Path) -> None:
    """`maskcls/store/run.py` and, for short, `store/run.py`; NAME.py and the like are placeholders."""
    if page.name == "changelog.md":  # of its own time
        return
    named = re.findall(r"`((?:\w+/)+[a-z_0-9]+\.(?:py|toml))`", page.read_text(encoding="utf-8"))
    missing = [n for n in named if not ((TOP / n).exists() or (TOP / "maskcls" / n).exists())]
    assert [name for name in missing if name not in EXAMPLES] == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A run's folder\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-runs-folder) [b](other.md#missing) [c](missing.md) [d](https://x.org)\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["other.md#missing", "missing.md"]
