"""Reading any task: rows and images to frames, the traps in between, and what is said about them."""

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from maskcls.core.task import Answers
from maskcls.data.any_table import read_any
from maskcls.data.find_task import find_task
from maskcls.data.findings import Faults, Findings
from maskcls.data.task_file import parse_task
from maskcls.folds.names import group_digests
from tests.data.task_data import groups, labels
from tests.object_store import new_bucket

if TYPE_CHECKING:
    from tests.data.task_data import TaskData

SKIN = """[task]
images = "jpeg/train"
table = "train.csv"
image = "image_name"
suffix = ".jpg"
group = "patient_id"
metric = "auc"
[[part]]
name = "target"
from = "target"
values = ["0", "1"]
[eval]
images = "jpeg/test"
table = "test.csv"
image = "image_name"
[answers]
columns = ["image_name", "target"]
values = "probability:1"
like = "sample_submission.csv"
"""


@pytest.fixture
def skin(data: "TaskData") -> "TaskData":
    """Three patients with other column names, and two images to predict."""
    data.text("task.toml", SKIN)
    data.csv("train.csv", "image_name,patient_id,sex,target", "S1,007,male,0", "S2,007,male,1",
             "S3,7,male,0", "S4,08,female,0")  # fmt: skip
    data.csv("test.csv", "image_name,patient_id", "S9,1", "S8,1")
    data.files(*(f"jpeg/train/S{n}.jpg" for n in (1, 2, 3, 4)))
    return data.files("jpeg/test/S8.jpg", "jpeg/test/S9.jpg")


def test_folders_as_classes(data: "TaskData") -> None:
    data.files("2/a.jpg", "10/b.jpg", "10/c.JPG", "apple/d.png")
    table, findings = data.read_all()
    assert table.task.classes == ("2", "10", "apple")
    assert labels(table) == {
        "10/b.jpg": "10",
        "10/c.JPG": "10",
        "2/a.jpg": "2",
        "apple/d.png": "apple",
    }
    assert list(table.images.columns) == ["path", "group", "label", "size_bytes", "mtime_ns"]
    assert not table.task.has_groups
    assert list(table.images["path"]) == sorted(table.images["path"])
    assert list(table.groups["group"]) == list(table.images["path"])
    assert list(table.groups["num_images"]) == [1, 1, 1, 1]
    assert findings == ()
    assert (table.eval_images, table.missing) == (None, {})


def test_types_of_the_columns(skin: "TaskData") -> None:
    table = skin.read()
    assert table.images.dtypes.astype(str).to_dict() == {
        "path": "str", "group": "category", "label": "int16", "size_bytes": "int64",
        "mtime_ns": "int64", "group_digest": "uint64",
    }  # fmt: skip
    assert table.groups.dtypes.astype(str).to_dict() == {"group": "str", "num_images": "int32"}
    assert table.eval_images is not None
    assert table.eval_images.dtypes.astype(str).to_dict() == {
        "image": "str", "found": "bool", "path": "str", "size_bytes": "int64", "mtime_ns": "int64",
    }  # fmt: skip
    assert list(table.images["size_bytes"]) == [5] * 4
    path = skin.root / "jpeg/train/S1.jpg"
    assert table.images["mtime_ns"][0] == path.stat().st_mtime_ns


def test_a_task_file_names_columns_suffix_groups_and_answers(skin: "TaskData") -> None:
    table, findings = skin.read_all()
    assert labels(table) == {"S1.jpg": "0", "S2.jpg": "1", "S3.jpg": "0", "S4.jpg": "0"}
    assert table.task.has_groups
    assert table.task.answers == Answers(
        ("image_name", "target"), "probability:1", "sample_submission.csv"
    )
    assert [one.text for one in findings] == [
        "columns not used: sex", "columns not used: patient_id",
    ]  # fmt: skip


def test_each_row_has_the_digest_of_its_groups_name(skin: "TaskData") -> None:
    names = skin.read().images["group"].astype("str")
    assert skin.read().images["group_digest"].tolist() == group_digests(names).tolist()


def test_digests_of_groups_in_paths_and_in_two_spellings(data: "TaskData") -> None:
    data.files("d1/a.jpg", "d2/b.jpg", "d1/c.jpg")
    data.csv("train.csv", "image,label", "d1/a.jpg,x", "d2/b.jpg,y", "d1/c.jpg,y")
    text = '[task]\ntable = "train.csv"\ngroup = "path:^(d.)/"\nimage = "image"\nimages = ""\n'
    data.text("task.toml", text + '[[part]]\nname = "label"\nfrom = "label"\n')
    names = pd.Series(["d1", "d1", "d2"], dtype="str")
    assert data.read().images["group_digest"].tolist() == group_digests(names).tolist()
    composed = unicodedata.normalize("NFC", "가")
    data.csv("train.csv", "image,label,group", f"d1/a.jpg,x, {composed}",
             f"d2/b.jpg,y,{unicodedata.normalize('NFD', composed)} ", "d1/c.jpg,y,z")  # fmt: skip
    (data.root / "task.toml").unlink()
    first, last, second = data.read().images["group_digest"]
    assert first == second != last


def test_groups_are_text_with_leading_zeros(skin: "TaskData") -> None:
    table = skin.read()
    assert groups(table) == {"S1.jpg": "007", "S2.jpg": "007", "S3.jpg": "7", "S4.jpg": "08"}
    assert list(table.groups["group"]) == ["007", "08", "7"]
    assert list(table.groups["num_images"]) == [2, 1, 1]
    codes = table.images["group"].cat.codes.to_numpy()
    assert list(table.groups["group"].to_numpy()[codes]) == ["007", "007", "7", "08"]


def test_a_value_that_is_not_in_values_is_named_with_file_and_line(skin: "TaskData") -> None:
    skin.text(
        "task.toml", SKIN.replace('["0", "1"]', '["0", "2"]').replace("probability:1", "value")
    )
    message = skin.refusal()
    assert message.startswith("train.csv line 3: target '1' is none of the values 0, 2; correct it")


def test_labels_0_and_1_stay_text(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,1", "b.jpg,0", "c.jpg,1").files(
        "a.jpg", "b.jpg", "c.jpg"
    )
    table = data.read()
    assert table.task.classes == ("0", "1")
    assert list(table.images["label"]) == [1, 0, 1]


def test_true_and_false_stay_text(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,True", "b.jpg,False").files("a.jpg", "b.jpg")
    assert data.read().task.classes == ("False", "True")


def test_csv_of_a_spreadsheet(data: "TaskData") -> None:
    data.text(
        "train.csv", "\ufeffimage,label,group,camera,,\r\n a.jpg , x ,007,c,,\r\nb.jpg,y,7,c,,\r\n"
    )
    table, findings = data.files("a.jpg", "b.jpg").read_all()
    assert labels(table) == {"a.jpg": "x", "b.jpg": "y"}
    assert groups(table) == {"a.jpg": "007", "b.jpg": "7"}
    assert [one.text for one in findings] == ["columns not used: camera"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("c.jpg,,g", "label is empty; write the value, or delete the row"),
        ("c.jpg,x, ", "the group is empty; name it"),
        (",x,g", "image '' is not a path within the folder of the images"),
        ("../c.jpg,x,g", "'../c.jpg' is not a path within"),
        ("/c.jpg,x,g", "'/c.jpg' is not a path within"),
        ("a\\c.jpg,x,g", "is not a path within"),
        ("a.jpg,x,g", "image 'a.jpg' is in line 2, too; delete one of them"),
        ("./a.jpg,x,g", "is in line 2, too"),
        ("c.jpg,x", "2 fields where the header has 3"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(data: "TaskData", row: str, words: str) -> None:
    data.csv("train.csv", "image,label,group", "a.jpg,x,g", "b.jpg,y,h", row)
    message = data.files("a.jpg", "b.jpg", "c.jpg").refusal()
    assert message.startswith("train.csv line 4: ")
    assert words in message


def test_faults_of_both_tables_are_reported_together(skin: "TaskData") -> None:
    skin.csv("train.csv", "image_name,patient_id,target", "S1,1,3")
    skin.csv("test.csv", "image_name", "S9", "S9")
    assert [line.split(":")[0] for line in skin.refusal().split("\n")] == [
        "train.csv line 2", "test.csv line 3",
    ]  # fmt: skip


def test_a_row_without_image_is_left_out_and_named(skin: "TaskData") -> None:
    (skin.root / "jpeg/train/S3.jpg").unlink()
    table, findings = skin.read_all()
    assert list(labels(table)) == ["S1.jpg", "S2.jpg", "S4.jpg"]
    assert list(table.groups["group"]) == ["007", "08"]
    assert table.missing == {"S3.jpg": "not in jpeg/train"}
    (found,) = [one for one in findings if one.kind == "no_images"]
    assert found.where == "train.csv"
    assert "not in jpeg/train, 1 of 4 in all: S3 (line 4); these rows are not used" in found.text


def test_a_row_whose_image_is_of_a_kind_that_is_not_read(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,x", "b.jpg,y", "c.gif,x").files(
        "a.jpg", "b.jpg", "c.gif"
    )
    table, findings = data.read_all()
    assert table.missing == {"c.gif": "images with .gif are not read"}
    assert any("1 .gif" in one.text for one in findings if one.kind == "unread_files")


def test_a_table_most_of_whose_images_are_missing_is_refused(skin: "TaskData") -> None:
    for n in (1, 2, 3):
        (skin.root / f"jpeg/train/S{n}.jpg").rename(skin.root / f"jpeg/train/T{n}.jpg")
    message = skin.refusal()
    assert "3 of 4 in all: S1 (line 2), S2 (line 3), S3 (line 4)" in message
    assert "images there: T1.jpg, T2.jpg, T3.jpg" in message


def test_images_without_a_row_are_a_finding(skin: "TaskData") -> None:
    skin.files("jpeg/train/x.jpg", "jpeg/train/y.txt", "jpeg/train/.hidden")
    assert skin.findings("no_row") == [
        "jpeg/train: 1 images without a row in train.csv, not used: x.jpg"
    ]
    assert "1 .txt" in skin.findings("unread_files")[0]
    assert ".hidden" in skin.findings("hidden_files")[0]


def test_names_composed_and_decomposed_are_the_same(data: "TaskData") -> None:
    composed, decomposed = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    data.csv("train.csv", "image,label,group", f"{composed}.jpg,{decomposed},{decomposed}",
             f"b.jpg,{composed},{composed}", "c.jpg,x,y")  # fmt: skip
    table = data.files(f"images/{decomposed}.jpg", "images/b.jpg", "images/c.jpg").read()
    assert set(table.images["path"]) == {f"{decomposed}.jpg", "b.jpg", "c.jpg"}
    assert table.task.classes == ("x", composed)
    assert list(table.groups["group"]) == ["y", composed]
    assert list(table.groups["num_images"]) == [1, 2]


def test_two_files_of_one_name_are_refused(data: "TaskData") -> None:
    composed, decomposed = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))
    data.files(f"a/{composed}.jpg", f"a/{decomposed}.jpg", "b/1.jpg")
    assert "has the name of another file" in data.refusal()


@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_a_suffix_that_is_there_already_is_not_added(data: "TaskData", suffix: str) -> None:
    text = f'[task]\nimages = ""\ntable = "t.csv"\nimage = "i"\nsuffix = "{suffix}"\n'
    data.text("task.toml", text + '[[part]]\nname = "l"\nfrom = "l"\n')
    data.csv("t.csv", "i,l", "a.jpg,x", "b.JPG,y").files("a.jpg", "b.JPG")
    assert list(data.read().images["path"]) == ["a.jpg", "b.JPG"]


def test_an_image_in_a_deeper_folder_counts_for_the_first(data: "TaskData") -> None:
    data.files("cat/1.jpg", "cat/old/2.jpg", "dog/3.jpg", "dog/.trash/4.jpg")
    assert labels(data.read()) == {"cat/1.jpg": "cat", "cat/old/2.jpg": "cat", "dog/3.jpg": "dog"}
    assert len(data.findings("deeper_folders")) == 1
    assert "1 images in deeper folders" in data.findings("deeper_folders")[0]


def test_images_beside_the_folders_and_empty_folders_are_findings(data: "TaskData") -> None:
    data.files("cat/1.jpg", "dog/2.jpg", "3.jpg", "bird/note.txt", "train.txt")
    assert data.read().task.classes == ("cat", "dog")
    assert data.findings("no_class") == [
        f"{data.folder.shown}: 1 images outside of the classes' folders, not used: 3.jpg"
    ]
    assert data.findings("empty_class") == ["bird: no image in it is read; it is not used"]
    assert "2 .txt" in data.findings("unread_files")[0]


def test_a_given_hold_out(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "test/3.jpg", "test/x/4.jpg")
    table = data.read()
    assert dict(zip(table.images["path"], table.images["fold"], strict=True)) == {
        "train/a/1.jpg": -1, "train/b/1.jpg": -1, "val/a/2.jpg": 0,
    }  # fmt: skip
    assert table.images["fold"].dtype == np.int16
    assert table.task.classes == ("a", "b")
    assert table.eval_images is not None
    assert list(table.eval_images["image"]) == ["3.jpg", "x/4.jpg"]


def test_images_to_predict_are_no_training_images(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.jpg", "test/a/2.jpg")
    assert list(data.read().images["path"]) == ["a/1.jpg", "b/1.jpg"]


FOLDS = ("image,label,group,fold", "a.jpg,x,g,0", "b.jpg,y,g,0", "c.jpg,x,h,1", "d.jpg,y,i, ")


def fold_data(data: "TaskData", *rows: str) -> "TaskData":
    data.csv("train.csv", *(rows or FOLDS))
    return data.files("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def test_given_folds_of_a_column_blank_is_never_held_out(data: "TaskData") -> None:
    assert list(fold_data(data).read().images["fold"]) == [0, 0, 1, -1]


def test_given_folds_may_begin_at_1_and_have_gaps(data: "TaskData") -> None:
    rows = [row.replace(",1", ",5").replace(",0", ",1").replace("i, ", "i,-1") for row in FOLDS]
    assert list(fold_data(data, *rows).read().images["fold"]) == [1, 1, 5, -1]


def test_train_and_val_are_words_for_folds(data: "TaskData") -> None:
    words = [row.replace(",0", ",val").replace(",1", ",train") for row in FOLDS]
    assert list(fold_data(data, *words).read().images["fold"]) == [0, 0, -1, -1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("b.jpg,y,g,0", "b.jpg,y,g,1"),
            "group g: has two given folds: fold 0 (a.jpg) and fold 1 (b.jpg)",
        ),
        (("b.jpg,y,g,0", "b.jpg,y,g,"), "fold 0 (a.jpg) and never held out (b.jpg)"),
        (("c.jpg,x,h,1", "c.jpg,x,h,one"), "train.csv line 4: fold 'one' is no whole number"),
        (("c.jpg,x,h,1", "c.jpg,x,h,-2"), "train.csv line 4: fold '-2' is no whole number"),
        (("c.jpg,x,h,1", "c.jpg,x,h,1.0"), "train.csv line 4: fold '1.0' is no whole number"),
    ],
)
def test_faulty_folds(data: "TaskData", change: tuple[str, str], words: str) -> None:
    rows = [change[1] if row == change[0] else row for row in FOLDS]
    assert words in fold_data(data, *rows).refusal()


def test_folds_that_hold_out_nothing_or_everything(data: "TaskData") -> None:
    none = [row.rpartition(",")[0] + "," for row in FOLDS[1:]]
    assert "none would be held out" in fold_data(data, FOLDS[0], *none).refusal()
    every = [row + "0" for row in none]
    assert "none is left to train on" in fold_data(data, FOLDS[0], *every).refusal()


STRATA = '[task]\nimages = ""\ntable = "t.csv"\nimage = "i"\ngroup = "g"\nstrata = ["sex"]\n' \
    '[[part]]\nname = "label"\nfrom = "l"\n[[part]]\nname = "sex"\nfrom = "s"\n'  # fmt: skip


def test_strata_and_several_parts(data: "TaskData") -> None:
    data.text("task.toml", STRATA).files("a.jpg", "b.jpg", "c.jpg")
    data.csv("t.csv", "i,g,l,s", "a.jpg,2,x,m", "b.jpg,2,y,m", "c.jpg,1,x,f")
    table = data.read()
    assert table.task.classes == ("x, f", "x, m", "y, f", "y, m")
    assert list(table.images["label"]) == [1, 3, 0]
    assert table.groups.to_dict("list") == {
        "group": ["1", "2"], "num_images": [1, 2], "sex": [0, 1],
    }  # fmt: skip
    assert table.groups["sex"].dtype == np.int16


def test_a_group_with_two_values_of_a_stratum_is_refused(data: "TaskData") -> None:
    data.text("task.toml", STRATA).files("a.jpg", "b.jpg", "c.jpg")
    data.csv("t.csv", "i,g,l,s", "a.jpg,2,x,m", "b.jpg,2,y,f", "c.jpg,1,x,f")
    assert data.refusal().startswith("group 2: has two values of sex: m (a.jpg) and f (b.jpg)")


def test_labels_in_names_and_groups_in_paths(data: "TaskData") -> None:
    data.text("task.toml", '[task]\nimages = "train"\ngroup = "stem"\n[[part]]\nname = "label"\n'
              "from = 'path:^.*/(cat|dog)[0-9]*'\n")  # fmt: skip
    data.files("train/x/cat1.jpg", "train/y/cat1.jpg", "train/y/dog1.jpg")
    table = data.read()
    assert labels(table) == {"x/cat1.jpg": "cat", "y/cat1.jpg": "cat", "y/dog1.jpg": "dog"}
    assert list(table.groups["group"]) == ["cat1", "dog1"]
    data.files("train/y/bird1.jpg")
    assert data.refusal().startswith(
        "train/y/bird1.jpg: label: the expression '^.*/(cat|dog)[0-9]*'"
    )


def test_values_are_mapped(data: "TaskData") -> None:
    data.text("task.toml", '[task]\nimages = ""\n[[part]]\nname = "label"\nfrom = "stem"\n'
              'of = { a = "x", b = "x" }\n')  # fmt: skip
    assert labels(data.files("a.jpg", "b.jpg", "y.jpg").read()) == {
        "a.jpg": "x", "b.jpg": "x", "y.jpg": "y",
    }  # fmt: skip


ONE_HOT = '[task]\nimages = ""\ntable = "t.csv"\nimage = "i"\n[[part]]\nname = "label"\n' \
    'from = ["rust", "scab"]\n'  # fmt: skip


def test_one_hot_columns(data: "TaskData") -> None:
    data.text("task.toml", ONE_HOT).files("a.jpg", "b.jpg")
    data.csv("t.csv", "i,scab,rust", "a.jpg,1,0", "b.jpg,0.0,1.0")
    assert labels(data.read()) == {"a.jpg": "scab", "b.jpg": "rust"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("b.jpg,1,1", "rust and scab are 1"),
        ("b.jpg,0,0", "none of them is 1"),
        ("b.jpg,0.5,0.5", "rust is '0.5'"),
    ],
)
def test_rows_that_are_not_one_hot(data: "TaskData", row: str, words: str) -> None:
    data.text("task.toml", ONE_HOT).csv("t.csv", "i,scab,rust", "a.jpg,1,0", row).files("a.jpg")
    assert data.refusal().startswith(f"t.csv line 3: {words}")


def test_values_that_no_image_has(skin: "TaskData") -> None:
    skin.text("task.toml", SKIN.replace('["0", "1"]', '["0", "1", "unsure"]'))
    assert skin.findings("empty_class") == [
        "classes: no image of the class unsure; it cannot be learned"
    ]
    # Those found in the data: of images that are there.
    skin.text("task.toml", SKIN.replace('values = ["0", "1"]\n', ""))
    (skin.root / "jpeg/train/S2.jpg").unlink()
    assert "only one class (0)" in skin.refusal()


def test_folders_and_files_that_a_task_file_names_wrongly(skin: "TaskData") -> None:
    for old, new, words in (
        ('images = "jpeg/train"', 'images = "jpg/train"', "no such folder"),
        ('table = "train.csv"', 'table = "trian.csv"', "no such file"),
        ('images = "jpeg/test"', 'images = "jpg/test"', "[eval] names as images"),
        ('table = "test.csv"', 'table = "tset.csv"', "[eval] names as its table"),
        ('from = "target"', 'from = "tagret"', "no column tagret; the header line found is"),
    ):
        skin.text("task.toml", SKIN.replace(old, new))
        assert words in skin.refusal()


def test_no_image_at_all(data: "TaskData") -> None:
    file = parse_task(b'[task]\nimages = ""\n[[part]]\nname = "l"\nfrom = "folder"\n', "t.toml")
    data.files("a/1.gif", "b/1.gif")
    with pytest.raises(Exception, match=r"no image of the task found .*2 \.gif"):
        data.read(file)


def test_too_many_classes_are_refused(data: "TaskData") -> None:
    data.files(*(f"c{n}/1.jpg" for n in range(1001)))
    assert "1,001 classes; at most 1,000 are supported" in data.refusal()


def test_more_than_127_classes_have_labels_of_their_own(data: "TaskData") -> None:
    data.files(*(f"{n}/1.jpg" for n in range(300)))
    table = data.read()
    assert table.task.classes == tuple(map(str, range(300)))
    assert labels(table) == {f"{n}/1.jpg": str(n) for n in range(300)}


def test_one_folder_for_all_images(data: "TaskData") -> None:
    text = SKIN.replace("jpeg/train", "all").replace("jpeg/test", "all")
    data.text("task.toml", text).files(*(f"all/S{n}.jpg" for n in (1, 2, 8, 9)))
    data.csv("train.csv", "image_name,patient_id,target", "S1,1,0", "S2,2,1")
    data.csv("test.csv", "image_name", "S9", "S8")
    table, findings = data.read_all()
    assert list(labels(table)) == ["S1.jpg", "S2.jpg"]
    assert table.eval_images is not None
    assert list(table.eval_images["path"]) == ["S9.jpg", "S8.jpg"]
    assert findings == ()


def test_the_probability_of_a_class_that_is_not_there_is_refused(skin: "TaskData") -> None:
    text = SKIN.replace('values = ["0", "1"]\n', "").replace("probability:1", "probability:yes")
    skin.text("task.toml", text)
    assert "[answers] values: 'yes' is no class; the classes are 0, 1" in skin.refusal()


def test_column_names_with_blanks_in_them(data: "TaskData") -> None:
    data.text("task.toml", '[task]\nimages = ""\ntable = "t.csv"\nimage = "file name"\n'
              '[[part]]\nname = "kind of tree"\nfrom = "Kind of tree"\n')  # fmt: skip
    data.csv("t.csv", " file name , Kind of tree ", "a b.jpg,silver birch", "c.jpg, oak")
    assert labels(data.files("a b.jpg", "c.jpg").read()) == {
        "a b.jpg": "silver birch",
        "c.jpg": "oak",
    }


def test_a_hold_out_whose_class_folder_is_empty(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/b/x.txt")
    assert data.findings("empty_class") == ["val/b: no image in it is read; it is not used"]


def test_an_object_store_gives_the_same(data: "TaskData", skin: "TaskData") -> None:
    data.files("jpeg/train/deeper/S5.jpg")
    want = skin.read()
    with new_bucket() as bucket:
        folder = bucket.take(skin.root, "skin")
        faults, findings = Faults(), Findings()
        table = read_any(folder, find_task(folder), faults, findings)
    assert table.task == want.task
    for frame, other in ((table.images, want.images), (table.groups, want.groups)):
        assert frame.drop(columns="mtime_ns", errors="ignore").equals(
            other.drop(columns="mtime_ns", errors="ignore")
        )
