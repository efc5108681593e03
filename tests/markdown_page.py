"""Links of a Markdown page, checked against the files and headings that they name."""

import re
from pathlib import Path


def _anchors(page: str) -> set[str]:
    prose = re.sub(r"```.*?```", "", page, flags=re.S)
    headings = re.findall(r"^#+ (.*)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}


def broken_links(file: Path) -> list[str]:
    """Targets of a page's links that lead nowhere; web addresses are not followed."""
    page = file.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", page, flags=re.S)
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = file.parent / name if name else file
        exists = linked.exists()
        if exists and anchor:
            exists = anchor in _anchors(linked.read_text(encoding="utf-8"))
        if not exists:
            found.append(target)
    return found
