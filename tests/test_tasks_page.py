"""The page on tasks: its task files are understood, its tables have every key, metric and form."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from maskcls.cli.main import _parser
from maskcls.core.task import MAX_CLASSES, MetricName
from maskcls.data.task_file import Source, built_in, parse_task
from maskcls.data.task_toml import KEYS
from maskcls.pixels.decode import MAX_PIXELS

PAGE = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
FILES = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
COMMANDS = sorted(
    {
        line
        for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S)
        for line in block.splitlines()
        if line.startswith("maskcls ")
    }
)


def rows_of(header: str) -> list[list[str]]:
    """Cells of a table's rows, without the header."""
    (found,) = re.findall(rf"^\| {re.escape(header)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found.splitlines()]


def test_there_is_a_file_for_each_layout() -> None:
    assert len(FILES) == 7
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_task_file_of_the_page_is_understood(number: int) -> None:
    assert parse_task(FILES[number].encode(), f"block {number}").parts


def test_the_mask_file_is_the_built_in_one_but_for_its_ages() -> None:
    (text,) = [text for text in FILES if "borders" in text]
    text = text.replace("[25, 40]", "[30, 60]").replace(
        '"<25", "25-39", "40+"', '"<30", "30-59", "60+"'
    )
    assert parse_task(text.encode(), "page").task() == built_in("mask").task()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_understood(command: str) -> None:
    words = shlex.split(command)[1:]
    assert _parser(words).parse_args(words).verb == words[0]


def test_every_key_has_a_row_and_every_row_a_key() -> None:
    rows = [(table.strip("`[]"), key.strip("`"), kind) for table, key, kind, _ in rows_of("table")]
    keys = [(table, key) for table, keys in KEYS.items() for key in keys]
    assert [(table, key) for table, key, _ in rows] == keys
    kinds = {"mapping": "table", "floats": "numbers"}
    for table, key, kind in rows:
        assert kind == kinds.get(KEYS[table][key], KEYS[table][key]), key


def test_every_source_of_the_page_is_one() -> None:
    texts = [row[0] for row in rows_of("source")]
    kinds = [Source.parse(["A", "B"] if "[" in t else _source(t)).kind for t in texts]
    assert kinds == ["column", "folder", "stem", "path", "one_hot"]


def _source(cell: str) -> str:
    return cell.strip('`"').replace("REGEX", "(a)")


def test_every_metric_has_a_row() -> None:
    assert [row[0].strip("`") for row in rows_of("`metric`")] == list(get_args(MetricName))


def test_every_form_of_answers_is_understood() -> None:
    forms = [row[0].strip("`") for row in rows_of("`values`")]
    assert forms == ["value", "class", "probability:VALUE", "probabilities"]
    for form in forms:
        text = f'{FILES[0]}\n[answers]\nvalues = "{form}"'
        assert parse_task(text.encode(), "page").answers.values == form


def test_the_limits_of_the_page_are_those_of_the_program() -> None:
    assert f"more than {MAX_CLASSES:,} classes" in PAGE
    assert f"{MAX_PIXELS // 10**6} million pixels" in PAGE
