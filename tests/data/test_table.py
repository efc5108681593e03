"""DATA as a table: what is accepted, reported and refused."""

import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

import maskcls
from maskcls.core.errors import UserError
from maskcls.core.labels import SHOTS
from maskcls.data.table import read_data
from tests.data.conftest import HEADER, PEOPLE, LocalFolder

if TYPE_CHECKING:
    from tests.data.conftest import Dataset

Form = Literal["NFC", "NFD"]
WOMAN, MAN, OLD = "000001_female_Asian_45", "000002_male_Asian_18", "000600-1_male_Asian_60"
WOMAN_ROW = f"000001,female,Asian,45,{WOMAN}"


def refusal(dataset: "Dataset") -> str:
    with pytest.raises(UserError) as caught:
        dataset.read()
    return str(caught.value)


def findings(dataset: "Dataset", kind: str) -> list[str]:
    return [f"{one.where}: {one.text}" for one in dataset.read().findings if one.kind == kind]


# ---- what a clean data set becomes


def test_images_have_all_columns_and_labels(dataset: "Dataset") -> None:
    images = dataset.read().images
    assert {name: str(dtype) for name, dtype in images.dtypes.items()} == {
        "path": "str",
        "person": "category",
        "shot": "category",
        "mask": "int8",
        "gender": "int8",
        "age": "int16",
        "age_group": "int8",
        "label": "int8",
        "size_bytes": "int64",
        "mtime_ns": "int64",
    }
    assert len(images) == 21
    assert list(images.index) == list(range(21))
    row = images[images["path"] == f"{WOMAN}/incorrect_mask.jpg"].iloc[0]
    assert (row.person, row.shot) == (WOMAN, "incorrect_mask")
    # 6 * incorrect + 3 * female + middle group
    assert (row["mask"], row.gender, row.age, row.age_group, row.label) == (1, 1, 45, 1, 10)
    file = dataset.images / row.path
    assert (row.size_bytes, row.mtime_ns) == (5, file.stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("shot", "label"), [("mask1", 2), ("mask5", 2), ("incorrect_mask", 8), ("normal", 14)]
)
def test_shot_decides_the_mask(dataset: "Dataset", shot: str, label: int) -> None:
    images = dataset.read().images
    rows = images[(images["person"] == OLD) & (images["shot"] == shot)]
    assert list(rows["label"]) == [label]


def test_people_are_sorted_and_counted(dataset: "Dataset") -> None:
    people = dataset.read().people
    assert {name: str(dtype) for name, dtype in people.dtypes.items()} == {
        "person": "str",
        "gender": "int8",
        "age": "int16",
        "age_group": "int8",
        "num_images": "int8",
    }
    assert people.to_numpy().tolist() == [
        [WOMAN, 1, 45, 1, 7],
        [MAN, 0, 18, 0, 7],
        [OLD, 0, 60, 2, 7],
    ]


def test_images_are_sorted_by_path_though_person_orders_otherwise(dataset: "Dataset") -> None:
    # "-" sorts before "/": a-1/normal.jpg comes before a/normal.jpg, but person a before a-1.
    dataset.write_csv("1,male,Asian,20,a", "2,female,Asian,30,a-1", "3,male,Asian,60,B")
    for name in ("a", "a-1", "B"):
        dataset.write_person(name)
    table = dataset.read()
    paths = list(table.images["path"])
    assert paths == sorted(paths)
    assert list(table.people["person"]) == ["B", "a", "a-1"]
    assert all(path.startswith(f"{who}/") for path, who in table.images[["path", "person"]].values)
    # The category's code is the person's row.
    codes = table.images["person"].cat.codes.to_numpy()
    for name in ("gender", "age", "age_group"):
        assert list(table.people[name].to_numpy()[codes]) == list(table.images[name])


def test_clean_data_has_no_findings_and_no_eval(dataset: "Dataset") -> None:
    table = dataset.read()
    assert table.findings == ()
    assert table.eval_images is None


@pytest.mark.parametrize("end", [".jpg", ".jpeg", ".jfif", ".png", ".JPG", ".JFIF", ".Png"])
def test_extensions_in_any_case(dataset: "Dataset", end: str) -> None:
    dataset.remove(f"train/images/{MAN}/normal.jpg")
    dataset.write_person(MAN, ["normal"], end)
    table = dataset.read()
    assert f"{MAN}/normal{end}" in set(table.images["path"])
    assert table.findings == ()


# ---- the text of train.csv


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
    people = dataset.read().people
    assert list(people["age"]) == [age]
    assert list(people["age_group"]) == [(age >= 30) + (age >= 60)]


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


# ---- blanks, which spreadsheets and hands leave


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
    assert table.people.equals(want.people)
    assert table.findings == ()
    assert want.eval_images is not None
    assert table.eval_images is not None
    assert list(table.eval_images["path"]) == ["a.jpg", "b.jpg"]
    # The submission repeats what info.csv has.
    assert list(table.eval_images["ImageID"]) == [f"{blank}{n}.jpg{blank}" for n in "ab"]


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


# ---- people and ids


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
    assert list(table.people["person"]) == [WOMAN, second, first]
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
    people = dataset.read().people
    assert people[people["person"] == MAN][["gender", "age"]].to_numpy().tolist() == [[1, 19]]


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
    assert list(dataset.read().people["person"]) == [WOMAN]


def test_id_and_race_are_not_needed(dataset: "Dataset") -> None:
    dataset.write_csv(f"female,45,{WOMAN}", header="gender,age,path")
    assert "no column id, race" in findings(dataset, "columns")[0]


# ---- folders and files


def test_hidden_files_and_junk_are_one_finding(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg")
    for name in (
        "train/images/.DS_Store",
        f"train/images/{MAN}/._mask1.jpg",
        f"train/images/{MAN}/Thumbs.db",
        "eval/images/.hidden.jpg",
    ):
        dataset.write_bytes(name)
    found = dataset.read().findings
    assert [one.kind for one in found] == ["hidden_files"]
    assert found[0].text.startswith("4 hidden or junk files ignored: ")
    assert len(dataset.read().images) == 21


@pytest.mark.parametrize("name", ["mask6.jpg", "Mask1.jpg", "normal.gif", "normal", "a.mask1.jpg"])
def test_unknown_files_are_named_and_not_used(dataset: "Dataset", name: str) -> None:
    dataset.write_bytes(f"train/images/{MAN}/{name}")
    found = findings(dataset, "unknown_files")
    assert len(found) == 1
    assert found[0].startswith(f"train/images/{MAN}: ")
    assert found[0].endswith(name)
    assert len(dataset.read().images) == 21


def test_images_that_are_not_read_are_counted_by_extension(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["a.jpg", "b.bmp"])
    for name in (f"{MAN}/mask1.webp", f"{MAN}/normal.HEIC", f"{OLD}/mask1.heic", "stray.gif"):
        dataset.write_bytes(f"train/images/{name}")
    (found,) = findings(dataset, "unread_files")
    assert found.startswith("DATA: not read, only .jpg, .jpeg, .jfif, .png are: ")
    assert "2 .heic, 1 .bmp, 1 .gif, 1 .webp, such as train/images/" in found
    assert len(dataset.read().images) == 21


def test_stray_files_and_folders_are_reported(dataset: "Dataset") -> None:
    dataset.write_bytes("train/images/readme.txt")
    dataset.write_bytes(f"train/images/{MAN}/copy/mask1.jpg")
    found = findings(dataset, "unknown_files")
    assert found[0].endswith("readme.txt")
    assert found[1].endswith("copy")


@pytest.mark.parametrize("second", ["mask1.png", "mask1.JPG", "mask1.jpeg"])
def test_two_files_for_one_shot_are_refused(dataset: "Dataset", second: str) -> None:
    dataset.write_bytes(f"train/images/{MAN}/{second}")
    message = refusal(dataset)
    assert message.startswith(f"train/images/{MAN}: ")
    assert "mask1.jpg" in message
    assert second in message


def test_person_with_missing_shots_is_used_and_reported(dataset: "Dataset") -> None:
    dataset.remove(f"train/images/{MAN}/mask2.jpg")
    dataset.remove(f"train/images/{MAN}/normal.jpg")
    assert findings(dataset, "missing_shots") == [
        f"train/images/{MAN}: no image mask2, normal; the others are used"
    ]
    people = dataset.read().people
    assert list(people["num_images"]) == [7, 5, 7]


def test_row_without_folder_or_images_is_reported_with_its_line(dataset: "Dataset") -> None:
    dataset.remove(f"train/images/{WOMAN}")
    for shot in SHOTS:
        dataset.remove(f"train/images/{OLD}/{shot}.jpg")
    found = findings(dataset, "no_images")
    assert [text.split(":")[0] for text in found] == [
        "train/train.csv line 2",
        "train/train.csv line 4",
    ]
    assert "does not exist" in found[0]
    assert "has no images" in found[1]
    assert list(dataset.read().people["person"]) == [MAN]


def test_folder_without_row_is_reported(dataset: "Dataset") -> None:
    dataset.write_person("000009_male_Asian_20")
    assert findings(dataset, "no_row") == [
        "train/images/000009_male_Asian_20: no row in train.csv; not used"
    ]
    assert len(dataset.read().people) == 3


def test_many_findings_of_a_kind_are_cut(dataset: "Dataset") -> None:
    for number in range(60):
        (dataset.images / f"stranger{number:02d}").mkdir()
    found = findings(dataset, "no_row")
    assert len(found) == 51
    assert found[-1].endswith("... and 10 more like these")


@pytest.mark.parametrize(("in_csv", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_hangul_folder_matches_in_either_form(
    dataset: "Dataset", in_csv: Form, on_disk: Form
) -> None:
    name = "철수_male_Asian_20"
    written = unicodedata.normalize(in_csv, name)
    folder = unicodedata.normalize(on_disk, name)
    dataset.write_csv(f"7,male,Asian,20,{written}")
    dataset.write_person(folder)
    images = dataset.read().images
    assert set(images["person"]) == {written}
    assert images["path"][0] == f"{folder}/incorrect_mask.jpg"


def test_one_name_in_both_forms_is_refused(dataset: "Dataset") -> None:
    forms = [unicodedata.normalize(form, "철수") for form in ("NFC", "NFD")]
    dataset.write_csv(f"7,male,Asian,20,{forms[0]}")
    for form in forms:
        dataset.write_person(form)
    if len(list(dataset.images.glob("*"))) == 5:  # a Mac's file system knows only one of them
        assert "NFC, NFD" in refusal(dataset)
    dataset.write_csv(*(f"7,male,Asian,20,{form}" for form in forms))
    assert "is in line 2, too" in refusal(dataset)


# ---- layout


def test_no_data_folder(dataset: "Dataset") -> None:
    dataset.remove("")
    message = refusal(dataset)
    assert message.startswith("data: no such folder")
    assert "DATA/train/train.csv" in message


def test_file_instead_of_folder(dataset: "Dataset") -> None:
    dataset.remove("")
    dataset.root.write_bytes(b"zip")
    assert "a file, not a folder" in refusal(dataset)


def test_no_train_csv_says_what_the_layout_is(dataset: "Dataset") -> None:
    dataset.remove("train/train.csv")
    message = refusal(dataset)
    assert "no train/train.csv" in message
    assert "DATA/train/images/PERSON" in message


def test_pointing_at_train_gets_a_hint(dataset: "Dataset") -> None:
    message = refusal(type(dataset)(dataset.root / "train"))
    assert "did you mean its parent" in message


def test_no_images_folder(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    assert "no folder train/images" in refusal(dataset)


def test_no_image_at_all(dataset: "Dataset") -> None:
    dataset.remove("train/images")
    dataset.write_person("stranger")
    assert "no image found" in refusal(dataset)


# ---- eval


def test_eval_keeps_the_order_of_info_csv(dataset: "Dataset") -> None:
    dataset.write_eval("b.jpg", "c.jpg", "a.jpg", files=["a.jpg", "b.jpg"])
    table = dataset.read()
    frame = table.eval_images
    assert frame is not None
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "ImageID": "str",
        "found": "bool",
        "path": "str",
        "size_bytes": "int64",
        "mtime_ns": "int64",
    }
    mtimes = [(dataset.root / "eval/images" / n).stat().st_mtime_ns for n in ("a.jpg", "b.jpg")]
    assert frame.to_numpy().tolist() == [
        ["b.jpg", True, "b.jpg", 5, mtimes[1]],
        ["c.jpg", False, "", 0, 0],
        ["a.jpg", True, "a.jpg", 5, mtimes[0]],
    ]
    assert [(one.kind, one.where) for one in table.findings] == [("eval_missing", "eval/info.csv")]
    assert "1 of 3 in all: c.jpg (line 3)" in table.findings[0].text


def test_extra_eval_files_are_counted_and_three_named(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["a.jpg", "p.jpg", "q.jpg", "r.jpg", "s.jpg"])
    found = findings(dataset, "eval_extra")
    assert found == [
        "eval/images: not in info.csv, not used, 4 in all: p.jpg, q.jpg, r.jpg and 1 more"
    ]


def test_many_missing_eval_files_are_counted_and_three_named(dataset: "Dataset") -> None:
    names = [f"{n}.jpg" for n in range(10)]
    dataset.write_eval(*names, files=names[5:])
    (found,) = findings(dataset, "eval_missing")
    assert "5 of 10 in all: 0.jpg (line 2), 1.jpg (line 3), 2.jpg (line 4) and 2 more" in found


@pytest.mark.parametrize("num_there", [0, 1, 4])
def test_most_of_eval_missing_is_refused_before_anything_is_trained(
    dataset: "Dataset", num_there: int
) -> None:
    names = [f"{n}.jpg" for n in range(9)]
    there = [*names[:num_there], "x.jpg", "y.jpg"]
    dataset.write_eval(*names, files=there)
    message = refusal(dataset)
    assert message.startswith(f"eval/info.csv: not in eval/images, {9 - num_there} of 9 in all: ")
    assert f"{num_there}.jpg (line {num_there + 2})" in message
    assert "files there that eval/info.csv does not name: x.jpg, y.jpg" in message
    assert "remove eval" in message


def test_an_empty_folder_of_eval_images_is_refused(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=[])
    (dataset.root / "eval/images").mkdir()
    assert "1 of 1 in all: a.jpg (line 2); add the images" in refusal(dataset)


def test_where_eval_is_not_needed_all_of_it_may_be_missing(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["b.jpg"])
    table = read_data(LocalFolder(dataset.root), needs_eval=False)
    assert [one.kind for one in table.findings] == ["eval_extra", "eval_missing"]


def eval_paths(dataset: "Dataset") -> dict[str, str]:
    frame = dataset.read().eval_images
    assert frame is not None
    return dict(zip(frame["ImageID"], frame["path"], strict=True))


def test_image_ids_without_extension_are_found(dataset: "Dataset") -> None:
    dataset.write_eval("b", "a.v2", "c.jpg", "d", files=["b.JPG", "a.v2.png", "c.jpg", "d"])
    assert eval_paths(dataset) == {"b": "b.JPG", "a.v2": "a.v2.png", "c.jpg": "c.jpg", "d": "d"}
    assert dataset.read().findings == ()


@pytest.mark.parametrize("second", ["a.png", "a.JPG", "a.jfif"])
def test_an_image_id_that_may_be_two_files_is_refused(dataset: "Dataset", second: str) -> None:
    dataset.write_eval("b", "a", files=["b.jpg", "a.jpg", second])
    message = refusal(dataset)
    assert message.startswith("eval/info.csv line 3: ImageID 'a' may be ")
    assert "a.jpg" in message
    assert second in message


def test_a_file_goes_to_the_row_that_names_it_whole(dataset: "Dataset") -> None:
    dataset.write_eval("a", "a.jpg", "b", files=["a.jpg", "b.png", "b.txt"])
    assert eval_paths(dataset) == {"a": "", "a.jpg": "a.jpg", "b": "b.png"}
    dataset.write_eval("a", "b", files=["a", "a.jpg", "b.png"])
    assert eval_paths(dataset) == {"a": "a", "b": "b.png"}


def test_eval_needs_no_ans_and_tolerates_more_columns(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg")
    dataset.write_bytes("eval/info.csv", b"path,ImageID\nx,a.jpg\n")
    assert findings(dataset, "columns") == ["eval/info.csv line 1: columns not used: path"]


def test_eval_name_matches_in_either_form(dataset: "Dataset") -> None:
    written, on_disk = (unicodedata.normalize(form, "사진.jpg") for form in ("NFC", "NFD"))
    dataset.write_eval(written, files=[on_disk])
    frame = dataset.read().eval_images
    assert frame is not None
    assert frame[["ImageID", "found", "path"]].to_numpy().tolist() == [[written, True, on_disk]]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (b"ImageID,ans\na.jpg,0\nb.jpg,0\na.jpg,0\n", ["line 4", "a.jpg", "line 2, too"]),
        (b"ImageID,ans\nx/a.jpg,0\n", ["line 2", "'x/a.jpg'"]),
        (b"ImageID,ans\n..\\a.jpg,0\n", ["line 2"]),
        (b"ImageID,ans\n,0\n", ["line 2", "''"]),
        (b"ImageID,ans\na.jpg\n", ["line 2", "1 fields"]),
        (b"Image,ans\na.jpg,0\n", ["no column ImageID", "Image,ans"]),
        (b"ImageID,ans\n", ["no rows"]),
        (b"", ["is empty"]),
    ],
)
def test_bad_info_csv_is_refused(dataset: "Dataset", info: bytes, words: list[str]) -> None:
    dataset.write_eval("a.jpg")
    dataset.write_bytes("eval/info.csv", info)
    message = refusal(dataset)
    assert message.startswith("eval/info.csv")
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ("eval/info.csv", "eval/images is there but eval/info.csv is not"),
        ("eval/images", "eval/info.csv is there but eval/images is not"),
    ],
)
def test_half_an_eval_is_refused(dataset: "Dataset", removed: str, words: str) -> None:
    dataset.write_eval("a.jpg")
    dataset.remove(removed)
    assert words in refusal(dataset)


def test_empty_eval_folder_is_reported(dataset: "Dataset") -> None:
    (dataset.root / "eval").mkdir()
    table = dataset.read()
    assert table.eval_images is None
    assert [one.kind for one in table.findings] == ["eval_empty"]


# ---- memory

MEASURE = """
import io, resource, sys
from dataclasses import dataclass
from maskcls.core.labels import SHOTS
from maskcls.data.table import read_data
from tests.data.conftest import HEADER, PEOPLE, LocalFolder
from maskcls.data.table import read_data

@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    size_bytes: int
    mtime_ns: int
    is_file: bool

class Folder:
    location = shown = "made up"
    def __init__(self, num_people): self.num_people = num_people
    def names(self): return (f"{n:06d}_male_Asian_{18 + n % 43}" for n in range(self.num_people))
    def exists(self, name=""): return not name.startswith("eval")
    is_dir = exists
    def list(self, name="", recursive=False):
        if name == "train/images":
            return [Entry(folder, 0, 0, False) for folder in self.names()]
        return [Entry(shot + ".jpg", 20000, hash((name, shot)), True) for shot in SHOTS]
    def read_bytes(self, name):
        out = io.BytesIO(b"id,gender,race,age,path\\n")
        out.seek(0, 2)
        for folder in self.names():
            out.write(f"{folder[:6]},male,Asian,{folder[-2:]},{folder}\\n".encode())
        return out.getvalue()

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
unit = 1 if sys.platform == "darwin" else 1024
read_data(Folder(50))
before = peak()
table = read_data(Folder(25_572))
assert len(table.images) == 179_004
print((peak() - before) / len(table.images))
"""


def test_table_of_179000_images_stays_small() -> None:
    root = str(Path(maskcls.__file__).parent.parent)
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    # 134 bytes a row on x86-64 Linux, pandas 3.1, pyarrow 26; a list of the paths alone costs 100.
    assert float(done.stdout) < 170
