"""task.toml: keys, kinds and contradictions, each fault with the way out."""

import re

import pytest

from maskcls.core.errors import UserError
from maskcls.core.task import MAX_CLASSES, Answers
from maskcls.data.task_file import (
    EvalFile,
    PartFile,
    Source,
    TaskFile,
    built_in,
    built_in_text,
    parse_task,
)

TASK = """[task]
images = "jpeg/train"
table = "train.csv"
image = "name"
suffix = ".jpg"
group = "patient"
metric = "auc"
also = ["accuracy", "log_loss"]
[[part]]
name = "target"
from = "target"
values = ["0", "1"]
[eval]
images = "./jpeg/test/"
table = "test.csv"
image = "id"
[answers]
columns = ["id", "target"]
values = "probability:1"
like = "sample.csv"
"""
SMALL = '[task]\nimages = ""\n[[part]]\nname = "label"\nfrom = "folder"\n'


def refused(text: str | bytes) -> list[str]:
    with pytest.raises(UserError) as caught:
        parse_task(text if isinstance(text, bytes) else text.encode(), "x/task.toml")
    return [text for _, text in _faults_of(caught.value)]


def _faults_of(error: UserError) -> list[tuple[int | None, str]]:
    """Line and sentence of each fault."""
    found = [
        re.fullmatch(r"x/task\.toml(?: line (\d+))?: (.*)", x) for x in str(error).splitlines()
    ]
    assert all(found)
    return [(int(one[1]) if one[1] else None, one[2]) for one in found if one]


def test_all_keys() -> None:
    assert parse_task(TASK.encode(), "x", "how") == TaskFile(
        origin="x",
        how="how",
        name="task",
        images="jpeg/train",
        parts=(PartFile("target", Source("column", "target"), ("0", "1")),),
        table="train.csv",
        image="name",
        suffix=".jpg",
        group=Source("column", "patient"),
        metric="auc",
        also=("accuracy", "log_loss"),
        eval=EvalFile("jpeg/test", "test.csv", "id", ".jpg"),
        answers=Answers(("id", "target"), "probability:1", "sample.csv"),
    )


def test_what_is_left_out() -> None:
    file = parse_task(SMALL.encode(), "x")
    assert file.how == "x"
    assert (file.table, file.group, file.fold, file.eval) == (None, None, None, None)
    assert (file.metric, file.also, file.absent, file.defaults) == (
        "macro_f1", ("accuracy",), "skip", "plain",
    )  # fmt: skip
    assert file.answers == Answers(("image", "label"), "value")


def test_answers_are_headed_by_the_image_column_that_is_known() -> None:
    text = TASK.partition("[answers]")[0]
    assert parse_task(text.encode(), "x").answers.columns == ("id", "label")
    assert parse_task(text.partition("[eval]")[0].encode(), "x").answers.columns == (
        "name",
        "label",
    )


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_task(b"\xef\xbb\xbf" + SMALL.encode(), "x") == parse_task(SMALL.encode(), "x")


@pytest.mark.parametrize("content", [b"[task\n", b"images = a\n", b"\xff\xfe[task]", b"\xb0"])
def test_not_toml(content: bytes) -> None:
    assert refused(content)[0].startswith("not a TOML file: ")


def test_names_of_classes_are_composed() -> None:
    text = SMALL + 'values = ["e\u0301", "b"]\nof = { "o\u0308" = "e\u0301" }\n'
    (part,) = parse_task(text.encode(), "x").parts
    assert (part.values, part.of) == (("\u00e9", "b"), {"\u00f6": "\u00e9"})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('metric = "auc"', 'metrc = "auc"', "[task] metrc: no such key; did you mean metric?"),
        (
            'name = "target"',
            'name = "target"\nvalue = []',
            "[part] value: no such key; did you mean values?",
        ),
        ("[answers]", "[answer]", "[answer]: no such table; did you mean answers?"),
        (
            'image = "id"',
            'image = "id"\nzzz = 1',
            "[eval] zzz: no such key; there are images, table",
        ),
        (
            'metric = "auc"',
            'metric = "AUC"',
            "[task] metric = 'AUC': expected one of macro_f1, accuracy",
        ),
        (
            '"log_loss"]',
            '"logloss"]',
            "[task] also: 'logloss' is no metric; did you mean log_loss?",
        ),
        ('suffix = ".jpg"', "suffix = 3", "[task] suffix = 3: expected text in quotes"),
        ('["0", "1"]', "[0, 1]", "[part] values = [0, 1]: expected a list of texts"),
        ('["0", "1"]', '"0"', "expected a list of texts"),
        ('["0", "1"]', '["0", "1", "0"]', "part target: values has one of them twice"),
        ('["0", "1"]', '["0", ""]', "part target: values has an empty name"),
        ('name = "target"', 'name = " "', "[[part]] name is empty"),
        (
            '"probability:1"',
            '"probability"',
            "expected value, class, probability:VALUE or probabilities",
        ),
        ('["id", "target"]', '["id", "id"]', "[answers] columns has one of them twice"),
        ('["id", "target"]', '["id"]', "[answers] columns: the image's column, then the answer's"),
        ('images = "jpeg/train"\n', "", "[task] needs the key images"),
        ('from = "target"\n', "", "[part] needs the key from"),
        ('table = "train.csv"\n', "", "'target' is a column, and [task] names no table"),
        ('image = "name"\n', "", "[task] table needs the key image"),
        ('image = "id"\n', "", "[eval] table needs the key image"),
        ('"jpeg/train"', '"../train"', "[task] images = '../train': not a path within DATA"),
        (
            '"jpeg/train"',
            "'jpeg\\train'",
            "not a path within DATA; write it relative to it, with '/'",
        ),
        ('"train.csv"', '"/train.csv"', "[task] table = '/train.csv': not a path within DATA"),
        ('"test.csv"', '"../test.csv"', "[eval] table = '../test.csv': not a path within DATA"),
        ('"sample.csv"', '"../s.csv"', "[answers] like = '../s.csv': not a path within DATA"),
        ('group = "patient"', 'group = ["a", "b"]', "[task] group and fold are one column each"),
        ('group = "patient"', 'group = "path:("', "is not a regular expression"),
        (
            'group = "patient"',
            'group = "path:a"',
            "'a' has 0 groups in parentheses; give it exactly one",
        ),
        ('group = "patient"', 'group = ""', "expected a column's name, stem, folder, path:REGEX"),
        ('from = "target"', 'from = ["a"]', "a list names two or more columns"),
        (
            'group = "patient"',
            'strata = ["sex"]',
            "[task] strata: 'sex' is no part; there are target",
        ),
        ('group = "patient"', 'row = "folder"', '[task] row = "folder" belongs to checks = "mask"'),
        (
            'group = "patient"',
            'checks = "mask"',
            'checks = "mask" needs the parts mask, gender and age',
        ),
        ('["0", "1"]', '["0", "1"]\nborders = [30]', 'borders belong to checks = "mask"'),
        (
            '["0", "1"]',
            '["0", "1"]\nborders = [30, 20]',
            "borders must rise, one fewer than values",
        ),
        (
            '["0", "1"]',
            '["0", "1"]\nof = { a = "2" }',
            "of names '2' (for 'a'), which is not in values",
        ),
        ('["0", "1"]', '["0", "1"]\nof = { a = 1 }', "expected a table such as"),
        (
            '["0", "1"]',
            '["0", "1"]\nnumbers = [1]',
            "numbers is the smallest and the largest number",
        ),
        ('["0", "1"]', '["0", "1"]\nscale = [1]', "scale is the mean and the standard deviation"),
        (
            'table = "test.csv"\n',
            'group = "p"\n',
            "[eval] group is a column, and [eval] names no table",
        ),
    ],
)
def test_faults(old: str, new: str, words: str) -> None:
    assert old in TASK
    text = TASK.replace(old, new, 1)
    with pytest.raises(UserError) as caught:
        parse_task(text.encode(), "x/task.toml")
    lines = [line for line, fault in _faults_of(caught.value) if words in fault]
    if new:  # the fault is in the last line of what is new
        assert text[: text.index(new) + len(new.rstrip())].count("\n") + 1 in lines
    else:
        assert lines
        assert None not in lines


def test_a_key_that_is_missing_is_reported_with_the_line_of_what_needs_it() -> None:
    for left_out, at in (
        ('image = "name"\n', 'table = "train.csv"'),
        ('from = "target"\n', "[[part]]"),
    ):
        text = TASK.replace(left_out, "", 1)
        with pytest.raises(UserError) as caught:
            parse_task(text.encode(), "x/task.toml")
        ((line, _),) = _faults_of(caught.value)
        assert text.splitlines()[(line or 0) - 1] == at


def test_no_parts_and_no_task() -> None:
    assert refused("") == [
        "needs a table [task]",
        "needs one [[part]] or more, which says what the label is",
    ]
    assert "[part] is not a table" in refused('part = [1]\n[task]\nimages = ""\n')[0]


def test_a_list_of_columns_needs_a_table() -> None:
    assert "a list of columns needs a table" in refused(SMALL.replace('"folder"', '["a", "b"]'))[0]


def test_two_parts_of_one_name() -> None:
    again = SMALL[SMALL.index("[[part]]") :]
    assert "two parts have the same name" in refused(SMALL + again)


@pytest.mark.parametrize(
    "name",
    [
        "group",
        "fold",
        "repeat",
        "num_images",
        "image",
        "path",
        "by_group",
        "logits",
        "fault",
        "score",
    ],
)
def test_parts_have_no_name_of_a_column_or_key_of_a_run(name: str) -> None:
    (line,) = refused(SMALL.replace('"label"', f'"{name}"'))
    assert f"part {name}: files of a run have a column or key of this name; choose another" in line


def test_all_faults_of_a_kind_are_reported_at_once() -> None:
    text = TASK.replace("metric", "metrc").replace("suffix", "sufix").replace("like", "lik")
    assert len(refused(text)) == 3


@pytest.mark.parametrize("group", ["patient", "stem", "folder", "path:p([0-9]+)"])
def test_the_task_knows_what_names_a_group(group: str) -> None:
    text = TASK.replace('group = "patient"', f"group = '{group}'")
    assert parse_task(text.encode(), "x").task().group == group
    without = parse_task(SMALL.encode(), "x").task({"label": ("a", "b")})
    assert (without.group, without.has_groups) == ("", False)
    # Its column path names a person's folder, and in a CSV of images it names an image.
    mask = built_in("mask").task()
    assert (mask.group, mask.has_groups) == ("", True)


def test_the_built_in_task_is_the_mask_competition() -> None:
    file = built_in("mask")
    task = file.task()
    assert task.is_mask
    assert (task.num_classes, task.classes[0]) == (18, "worn, male, <30")
    assert file.how == "the built-in task mask"
    assert parse_task(built_in_text("mask").encode(), file.origin, file.how) == file


def test_other_borders_than_those_of_the_built_in_task() -> None:
    text = built_in_text("mask").replace("[30, 60]", "[25, 40]")
    part = parse_task(text.encode(), "x").task().part("age")
    assert [part.code_of(age) for age in (24, 25, 39, 40)] == [0, 1, 1, 2]


def test_classes_that_are_found_number_two_to_a_thousand() -> None:
    file = parse_task(SMALL.encode(), "x")
    assert file.task({"label": ("a", "b")}).classes == ("a", "b")
    assert len(file.task({"label": tuple(map(str, range(MAX_CLASSES)))}).classes) == MAX_CLASSES
    with pytest.raises(UserError, match=r"x: only one class \(a\)"):
        file.task({"label": ("a",)})
    with pytest.raises(UserError, match="1,001 classes; at most 1,000"):
        file.task({"label": tuple(map(str, range(MAX_CLASSES + 1)))})
