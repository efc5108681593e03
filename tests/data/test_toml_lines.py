"""Lines of keys in TOML text."""

import pytest

from maskcls.data.toml_lines import key_lines, line_of

TEXT = """# a comment

[task]
images = "a"  # [no] heading
"quoted key" = 1
values = [
  "a # b",
  "[task]",
]
inline = { x = 1 }
text = '''
[part]
name = 3
'''
[[part]]
name = "one"
[part.of]
a = "b"
[[part]]
  name = "two"
x.y = 1
x.z = 2

[eval]
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_keys(end: str) -> None:
    lines = key_lines(TEXT.replace("\n", end))
    assert lines == {
        ("task",): 3, ("task", "images"): 4, ("task", "quoted key"): 5, ("task", "values"): 6,
        ("task", "inline"): 10, ("task", "inline", "x"): 10, ("task", "text"): 11,
        ("part",): 15, ("part", 0): 15, ("part", 0, "name"): 16, ("part", 0, "of"): 17,
        ("part", 0, "of", "a"): 18, ("part", 1): 19, ("part", 1, "name"): 20, ("part", 1, "x"): 21,
        ("part", 1, "x", "y"): 21, ("part", 1, "x", "z"): 22, ("eval",): 24,
    }  # fmt: skip


def test_a_key_without_a_line_has_that_of_the_table_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("part", 1, "from")) == 19
    assert line_of(lines, ("task", "inline", "y")) == 10
    assert line_of(lines, ("answers", "like")) is None
    assert line_of(lines, ()) is None


def test_a_value_of_many_lines_ends_where_it_ends() -> None:
    text = (
        "[a]\nvalues = [\n" + '  "value [of many]",\n' * 50 + '  "b # c]" # ]\n] # end\nlast = 1\n'
    )
    assert key_lines(text) == {("a",): 1, ("a", "values"): 2, ("a", "last"): 55}
