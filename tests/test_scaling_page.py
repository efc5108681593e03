"""The scaling page has all its figures, and the lines that they come from are whole."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
LINE = {
    "simulation", "size", "rows", "seconds", "peak_mib", "bytes_per_row", "details", "whole_s",
    "machine",
}  # fmt: skip
MACHINE = {"cores", "memory_gib", "python", "ray", "date", "load"}
SIMULATIONS = {"table", "folds", "out_of_fold", "ensemble", "nodes", "overhead25"}


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "scaling.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    text = (DOCS / "scaling.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_nothing_is_left_to_be_measured(page: str) -> None:
    left = [line for line in page.splitlines() if "TODO-MEASURE" in line]
    assert left == []


def test_every_line_says_what_was_measured_and_where(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert line.keys() >= LINE
        assert line["machine"].keys() >= MACHINE
        assert line["size"] > 0
        assert line["seconds"] > 0
        assert line["peak_mib"] > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", line["machine"]["date"])


def test_memory_goes_with_rows_where_there_are_rows(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert (line["rows"] is None) == (line["bytes_per_row"] is None)


def test_every_simulation_has_been_run(lines: list[dict[str, Any]]) -> None:
    assert {line["simulation"] for line in lines} == SIMULATIONS
