"""train.csv as people and spreadsheets write it: text, blanks, people and ids."""

from typing import TYPE_CHECKING

import pytest

from maskcls.data.table import read_data
from maskcls.data.task_file import built_in_text, parse_task
from maskcls.store.folder import Folder
from tests.data.conftest import HEADER, PEOPLE
from tests.data.table_factory import MAN, OLD, WOMAN, WOMAN_ROW, eval_paths, findings, refusal

if TYPE_CHECKING:
    from tests.data.conftest import Dataset


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("quoted", [False, True])
def test_spellings_of_csv_mean_the_same(
    dataset: "Dataset", bom: bytes, newline: bytes, quoted: bool
) -> None:
    want = dataset.read().images
    lines = (dataset.root / "train/train.csv").read_text().split()
    if quoted:
        lines = [",".join(f'"{value}"' for value in line.split(",")) for line in lines]
    dataset.write_bytes("train/train.csv", bom + newline.join(map(str.encode, lines)))
    assert dataset.read().images.equals(want)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["train/train.csv is empty"]),
        (b"\xef\xbb\xbf", ["is empty"]),
        (b"\n \n", ["no column gender"]),
        (b"id,gender,race,age,path\n", ["no rows"]),
        (f"id,gender\n{WOMAN_ROW}".encode("utf-16"), ["UTF-16", "save it as UTF-8"]),
        ("a,b\n".encode("utf-16-le"), ["NUL", "UTF-16"]),
        ("id,gender\n가,나\n".encode("cp949"), ["line 2", "0xb0", "not UTF-8", "save it as UTF-8"]),
        (b"id,gender,race,age\n1,male,Asian,20\n", ["no column path", "id,gender,race,age"]),
        (b"id;gender;race;age;path\n", ["gender, age, path", "id;gender;race;age;path"]),
        (b"id,gender,race,age,path,age\n", ["column 'age' occurs twice"]),
        (b"\n\nid,path\n", ["line 3: no column gender, age"]),
    ],
)
def test_refused_as_a_whole(dataset: "Dataset", data: bytes, words: list[str]) -> None:
    dataset.write_bytes("train/train.csv", data)
    message = refusal(dataset)
    assert "train/train.csv" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,Male,Asian,20,x", ["gender 'Male'"]),
        ("1,,Asian,20,x", ["gender ''"]),
        ("1,ma le,Asian,20,x", ["gender 'ma le'"]),
        ("1, ,Asian,20,x", ["gender ''"]),
        ("1,male,Asian,,x", ["age ''"]),
        ("1,male,Asian,121,x", ["age '121'", "0 to 120"]),
        ("1,male,Asian,-1,x", ["age '-1'"]),
        ("1,male,Asian,20.0,x", ["age '20.0'"]),
        ("1,male,Asian,1e1,x", ["age '1e1'"]),
        ("1,male,Asian,٢٠,x", ["age '٢٠'"]),
        ("1,male,Asian,2 0,x", ["age '2 0'"]),
        ("1,male,Asian,20, ", ["path ''"]),
        ("1,male,Asian,20,", ["path ''"]),
        ("1,male,Asian,20,a/b", ["path 'a/b'"]),
        ("1,male,Asian,20,a\\b", ["path 'a\\\\b'"]),
        ("1,male,Asian,20,..", ["path '..'"]),
        ("1,male,Asian,20,.", ["path '.'"]),
        ("1,male,Asian,20", ["4 fields", "header has 5"]),
        ("1,male,Asian,20,x,y", ["6 fields", "header has 5"]),
        (" ", ["1 fields"]),
        ('1,male,Asian,20,"x', ["cannot be read as CSV"]),
        ('1,male,Asian,20,"x"y', ["cannot be read as CSV"]),
    ],
)
def test_refused_with_file_line_and_value(dataset: "Dataset", row: str, words: list[str]) -> None:
    dataset.write_csv(WOMAN_ROW, "", row)
    message = refusal(dataset)
    assert message.startswith("train/train.csv line 4: ")
    for word in words:
        assert word in message


@pytest.mark.parametrize("age", [0, 29, 30, 59, 60, 120])
def test_age_borders(dataset: "Dataset", age: int) -> None:
    dataset.write_csv(f"1,male,Asian,{age},{MAN}")
    table = dataset.read()
    assert set(table.images["age"]) == {age}
    assert list(table.groups["age"]) == [(age >= 30) + (age >= 60)]


def test_other_age_borders_are_those_of_the_task_file(dataset: "Dataset") -> None:
    dataset.write_csv(
        *(f"1,male,Asian,{age},{name}" for age, name in ((24, "a"), (25, "b"), (40, "c")))
    )
    for name in "abc":
        dataset.write_person(name, ["mask1"])
    text = built_in_text("mask").replace("borders = [30, 60]", "borders = [25, 40]")
    table = read_data(Folder.at(dataset.root), parse_task(text.encode(), "task.toml"))
    assert list(table.groups["age"]) == [0, 1, 2]
    assert list(table.images["label"]) == [0, 1, 2]
    (names,) = [finding.text for finding in table.findings if finding.kind == "value_names"]
    assert names.endswith("are named <30, 30-59, 60+; name them <25, 25-39, 40+")
    text = text.replace('"<30", "30-59", "60+"', '"young", "middle", "old"')
    table = read_data(Folder.at(dataset.root), parse_task(text.encode(), "task.toml"))
    assert "value_names" not in {finding.kind for finding in table.findings}


def test_line_numbers_count_lines_within_quotes(dataset: "Dataset") -> None:
    dataset.write_csv(f'1,male,"Asi\nan",18,{MAN}', "1,male,Asian,x,y")
    assert refusal(dataset).startswith("train/train.csv line 4: age 'x'")


def test_double_path_names_both_lines(dataset: "Dataset") -> None:
    dataset.write_csv(WOMAN_ROW, f"000002,male,Asian,18,{MAN}", WOMAN_ROW)
    message = refusal(dataset)
    assert message.startswith("train/train.csv line 4: ")
    assert WOMAN in message
    assert "line 2, too" in message


def test_several_faults_are_reported_at_once_up_to_ten(dataset: "Dataset") -> None:
    dataset.write_csv(*(f"{n},male,Asian,old,p{n}" for n in range(13)))
    lines = refusal(dataset).split("\n")
    assert lines[0].startswith("train/train.csv line 2: ")
    assert lines[9].startswith("train/train.csv line 11: ")
    assert lines[10:] == ["... and 3 more"]


def test_faults_of_both_csv_files_are_reported_together(dataset: "Dataset") -> None:
    dataset.write_csv("1,both,Asian,20,x")
    dataset.write_eval("a.jpg", "a.jpg", files=["a.jpg"])
    lines = refusal(dataset).split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "train/train.csv line 2",
        "eval/info.csv line 3",
    ]


@pytest.mark.parametrize("blank", [" ", "\t", "  ", "\u00a0", "\u3000"])
def test_blanks_around_names_and_values_change_nothing(dataset: "Dataset", blank: str) -> None:
    dataset.write_eval("a.jpg", "b.jpg")
    want = dataset.read()
    for name in ("train/train.csv", "eval/info.csv"):
        lines = (dataset.root / name).read_text().split()
        padded = [f"{blank},{blank}".join(["", *line.split(","), ""])[1:-1] for line in lines]
        dataset.write_bytes(name, "\n".join(line.strip(",") for line in padded).encode())
    table = dataset.read()
    assert table.images.equals(want.images)
    assert table.groups.equals(want.groups)
    assert table.findings == ()
    assert want.eval_images is not None
    assert table.eval_images is not None
    assert list(table.eval_images["path"]) == ["a.jpg", "b.jpg"]
    # The submission repeats what info.csv has.
    assert list(table.eval_images["image"]) == [f"{blank}{n}.jpg{blank}" for n in "ab"]


def test_a_path_that_ends_in_a_blank_in_every_row_finds_its_folder(dataset: "Dataset") -> None:
    want = dataset.read().images
    dataset.write_csv(*(f"{row} " for row in PEOPLE))
    assert dataset.read().images.equals(want)


def test_a_folder_and_a_file_whose_names_end_in_a_blank_are_found(dataset: "Dataset") -> None:
    dataset.write_csv("1,male,Asian,20,x ")
    dataset.write_person("x ")
    dataset.write_eval("a.jpg ")
    table = dataset.read()
    assert set(table.images["path"].str.split("/").str[0]) == {"x "}
    assert eval_paths(dataset) == {"a.jpg ": "a.jpg "}


def test_rows_that_differ_in_blanks_alone_are_one(dataset: "Dataset") -> None:
    dataset.write_csv(WOMAN_ROW, f"{WOMAN_ROW} ")
    assert "line 3: path" in refusal(dataset)
    assert "is in line 2, too" in refusal(dataset)
    dataset.write_csv()
    dataset.write_eval("a.jpg", "a.jpg ", files=["a.jpg"])
    assert "line 3: ImageID 'a.jpg ' is in line 2, too" in refusal(dataset)


def test_commas_too_many_at_the_end_of_lines_are_no_columns(dataset: "Dataset") -> None:
    want = dataset.read().images
    dataset.write_csv(*(f"{row},,," for row in PEOPLE), header=f"{HEADER},,,")
    table = dataset.read()
    assert table.images.equals(want)
    assert table.findings == ()


def test_a_column_that_stands_twice_but_for_blanks_is_refused(dataset: "Dataset") -> None:
    dataset.write_csv(f"{WOMAN_ROW},1", header="id,gender,race,age,path, age")
    assert "column 'age' occurs twice" in refusal(dataset)


def test_double_id_is_two_people_and_a_finding(dataset: "Dataset") -> None:
    first, second = "003397_female_Asian_20", "003397_female_Asian_19"
    dataset.write_csv(
        f"003397,female,Asian,20,{first}", WOMAN_ROW, f"003397,female,Asian,19,{second}"
    )
    dataset.write_person(first)
    dataset.write_person(second)
    dataset.remove(f"train/images/{MAN}")
    dataset.remove(f"train/images/{OLD}")
    table = dataset.read()
    assert list(table.groups["group"]) == [WOMAN, second, first]
    assert [(one.kind, one.where) for one in table.findings] == [
        ("double_id", "train/train.csv line 4")
    ]
    assert "'003397' is in lines 2, 4; they count as 2 people" in table.findings[0].text


def test_id_with_stripped_zeros_changes_nothing(dataset: "Dataset") -> None:
    want = dataset.read().images
    dataset.write_csv(
        f"1,female,Asian,45,{WOMAN}",
        f"2,male,Asian,18,{MAN}",
        f"600-1,male,Asian,60,{OLD}",
    )
    table = dataset.read()
    assert table.images.equals(want)
    assert table.findings == ()


def test_train_csv_decides_against_the_folders_name(dataset: "Dataset") -> None:
    dataset.write_csv(WOMAN_ROW, f"000002,female,Asian,19,{MAN}", f"000600-1,male,Asian,60,{OLD}")
    found = findings(dataset, "contradiction")
    assert len(found) == 2
    assert all(text.startswith("train/train.csv line 3: ") for text in found)
    assert "gender is female" in found[0]
    assert "it is male" in found[0]
    assert "age is 19" in found[1]
    assert "it is 18" in found[1]
    table = dataset.read()
    people, images = table.groups, table.images
    assert people[people["group"] == MAN]["gender"].tolist() == [1]
    assert set(images[images["group"] == MAN]["age"]) == {19}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,gender,race,age,path,source", f"{WOMAN_ROW},ffhq"),
        ("path,age,source,gender,id,race", f"{WOMAN},45,ffhq,female,000001,Asian"),
    ],
)
def test_extra_columns_in_any_order_are_a_finding(
    dataset: "Dataset", header: str, row: str
) -> None:
    dataset.write_csv(row, header=header)
    assert findings(dataset, "columns") == ["train/train.csv line 1: columns not used: source"]
    assert list(dataset.read().groups["group"]) == [WOMAN]


def test_id_and_race_are_not_needed(dataset: "Dataset") -> None:
    dataset.write_csv(f"female,45,{WOMAN}", header="gender,age,path")
    assert "no column id, race" in findings(dataset, "columns")[0]
