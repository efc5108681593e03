"""The text of a task file."""

import tomllib

from maskcls.data.task_text import TaskText


def test_lines_are_toml_with_reasons() -> None:
    text, more = TaskText(), TaskText()
    text.table("[task]")
    text.add("images", 'a "b" \\ \u00e9\n', "they are there")
    text.add("group", "g", "perhaps", active=False)
    text.append(more)
    more.table("[[part]]")
    more.add("values", ("0", "1"), "in this order")
    text.append(more)
    text.table("[[part]]", active=False)
    assert tomllib.loads(text.text()) == {
        "task": {"images": 'a "b" \\ \u00e9\n'},
        "part": [{"values": ["0", "1"]}],
    }
    lines = text.text().splitlines()
    assert lines[2].endswith("  # they are there")
    assert lines[3].startswith('# group = "g"')
    assert lines[4:6] == ["", "[[part]]"]
    assert lines[-1] == "# [[part]]"
