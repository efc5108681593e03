"""Tables of a task file: sources, keys and kinds. Whole files are in test_task_file.py."""

import pytest

from maskcls.data.task_toml import Source, nearest, read_table


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("stem", Source("stem")),
        ("folder", Source("folder")),
        (" a column ", Source("column", "a column")),
        ("path:^(a|b)", Source("path", "^(a|b)")),
        (["a", "b"], Source("one_hot", columns=("a", "b"))),
    ],
)
def test_sources(value: object, want: Source) -> None:
    assert Source.parse(value) == want


def test_values_are_of_the_kinds_of_their_keys() -> None:
    table = {"name": "a", "from": "stem", "values": ["x", "y"], "scale": [1, 0.5]}
    want = {"name": "a", "from": Source("stem"), "values": ("x", "y"), "scale": (1, 0.5)}
    assert read_table("part", table) == (want, [])


def test_all_faults_of_a_table_are_found_at_once() -> None:
    assert read_table("part", {"name": True, "nam": "a", "of": {"a": 1}}) == (
        {},
        [
            ("name", "[part] name = True: expected text in quotes"),
            ("nam", "[part] nam: no such key; did you mean name?"),
            (
                "of",
                '[part] of = {\'a\': 1}: expected a table such as { cat1 = "cat", cat2 = "cat" }',
            ),
            ("", "[part] needs the key from"),
        ],
    )
    assert read_table("task", None) == ({}, [("", "needs a table [task]")])
    assert read_table("part", 1) == ({}, [("", "[part] is not a table")])


def test_the_nearest_name_or_all() -> None:
    assert nearest("metrc", ("metric", "also")) == "; did you mean metric?"
    assert nearest("zzz", ("metric", "also")) == "; there are metric, also"
