"""What the columns of a CSV may mean: images, groups, labels, answers."""

from typing import TYPE_CHECKING

import pytest

from maskcls.data.propose import propose
from maskcls.data.proposed_table import propose_for_table
from maskcls.data.task_file import EvalFile, Source
from maskcls.data.what_is_there import look_into
from tests.data.task_data import groups, labels, proposed

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def skin(data: "TaskData", sample: str = "0.0") -> "TaskData":
    sexes, sites = ("male", "female"), ("head", "torso", "")
    rows = [f"S{n},IP_{n // 3},{sexes[n // 3 % 2]},{n},{sites[n % 3]},{n % 2}" for n in range(12)]
    data.csv("train.csv", "image_name,patient_id,sex,age,site,target", *rows)
    data.csv("test.csv", "image_name,patient_id", "T1,x")
    data.csv("sample_submission.csv", "image_name,target", f"T1,{sample}")
    return data.files(*(f"jpeg/train/S{n}.jpg" for n in range(12)), "jpeg/test/T1.jpg")


def test_a_csv_with_other_names(data: "TaskData") -> None:
    file = proposed(skin(data))
    assert (file.images, file.table, file.image, file.suffix) == (
        "jpeg/train", "train.csv", "image_name", ".jpg",
    )  # fmt: skip
    assert file.group == Source("column", "patient_id")
    (part,) = file.parts
    assert (part.name, part.source.text, part.values) == ("target", "target", ("0", "1"))
    assert file.eval == EvalFile("jpeg/test", "test.csv", "image_name", ".jpg")
    assert file.metric == "auc"
    assert file.answers.columns == ("image_name", "target")
    assert (file.answers.values, file.answers.like) == ("probability:1", "sample_submission.csv")
    table = data.read(file)
    assert groups(table)["S3.jpg"] == "IP_1"
    assert table.task.classes == ("0", "1")


def test_other_columns_stand_as_comments_with_sizes_of_groups(data: "TaskData") -> None:
    text = propose(skin(data).folder)
    assert '# name = "sex"' in text
    assert '# values = ["female", "male"]' in text
    assert "4 groups of 3 images (median), the largest 3" in text
    # A value for each row is no class, nor is a column with empty cells.
    assert '"age"' not in text
    assert '"site"' not in text


def test_answers_with_class_names_are_values(data: "TaskData") -> None:
    skin(data)
    text = (data.root / "train.csv").read_text()
    data.text("train.csv", text.replace(",0\n", ",benign\n").replace(",1\n", ",malignant\n"))
    data.csv("sample_submission.csv", "image_name,target", "T1,benign")
    file = proposed(data)
    assert (file.answers.values, file.metric) == ("value", "macro_f1")


def test_one_hot_columns_and_a_probability_for_each(data: "TaskData") -> None:
    rows = [f"Train_{n},{int(n % 3 == 0)},{int(n % 3 == 1)},{int(n % 3 == 2)}" for n in range(9)]
    data.csv("train.csv", "image_id,healthy,rust,scab", *rows)
    data.csv("sample_submission.csv", "image_id,healthy,rust,scab", "Test_0,.3,.3,.4")
    data.files(*(f"images/Train_{n}.jpg" for n in range(9)), "images/Test_0.jpg")
    file = proposed(data)
    assert file.parts[0].source == Source("one_hot", columns=("healthy", "rust", "scab"))
    assert (file.metric, file.answers.values) == ("log_loss", "probabilities")
    assert file.group is None
    assert labels(data.read(file))["Train_4.jpg"] == "rust"


def test_files_in_folders_that_the_table_does_not_name(data: "TaskData") -> None:
    rows = [f"{n}.jpg,{n % 4 // 2},{n % 2},2020-01-{n + 1}" for n in range(8)]
    data.csv("train.csv", "image,chain,hotel_id,timestamp", *rows)
    data.files(*(f"train_images/{n % 4 // 2}/{n}.jpg" for n in range(8)), "test_images/x.jpg")
    file = proposed(data)
    assert (file.images, file.image, file.eval) == (
        "train_images",
        "image",
        EvalFile("test_images"),
    )
    assert len(data.read(file).images) == 8


def test_a_category_with_an_id_is_a_label_and_no_group(data: "TaskData") -> None:
    rows = [f"{n % 3},2013,{n}.jpg,{n // 2},{n // 4}" for n in range(12)]
    data.csv("train.csv", "category_id,year,file_name,seq_id,location", *rows)
    file = proposed(data.files(*(f"train_images/{n}.jpg" for n in range(12))))
    assert file.parts[0].name == "category_id"
    assert file.group == Source("column", "seq_id")


def test_names_with_quotes_and_other_alphabets_are_written_as_toml(data: "TaskData") -> None:
    data.csv("train.csv", '이미지,"a ""b"" \\ c"', "a.jpg,x", "b.jpg,y", "c.jpg,x")
    file = proposed(data.files("a.jpg", "b.jpg", "c.jpg"))
    assert (file.image, file.parts[0].name) == ("이미지", 'a "b" \\ c')


def test_a_csv_that_names_no_images_is_none(data: "TaskData") -> None:
    data.csv("a.csv", "x,y", "1,2").files("a/b.jpg")
    assert propose_for_table(data.folder, "a.csv", look_into(data.folder)) is None


def test_a_column_called_like_a_source_is_not_proposed(data: "TaskData") -> None:
    data.csv("a.csv", "x,kind,folder", "1.jpg,a,p", "2.jpg,b,q", "3.jpg,a,p").files("1.jpg")
    assert '"folder"' not in propose(data.folder)


def test_images_to_predict_in_the_same_folder(data: "TaskData") -> None:
    data.csv("train.csv", "id,species", "1,oak", "3,elm", "5,oak", "7,elm").csv(
        "test.csv", "id", "2"
    )
    file = proposed(data.files(*(f"images/{n}.jpg" for n in (1, 2, 3, 5, 7))))
    assert file.eval == EvalFile("images", "test.csv", "id", ".jpg")
    table = data.read(file)
    assert len(table.images) == 4
    assert table.eval_images is not None
    assert list(table.eval_images["path"]) == ["2.jpg"]


def test_a_column_whose_name_no_part_may_have_is_proposed_by_another(data: "TaskData") -> None:
    data.csv("train.csv", "id,group", "a1,x", "b2,y", "c3,x", "d4,y")
    data.files(*(f"train/{name}.jpg" for name in ("a1", "b2", "c3", "d4")))
    (part,) = proposed(data).parts
    assert (part.name, part.source) == ("label", Source("column", "group"))


@pytest.mark.parametrize("separator", [",", " "])
def test_a_column_of_several_labels_says_that_they_are_not_supported(
    data: "TaskData", separator: str
) -> None:
    cells = ("scab", "rust", f"scab{separator}rust", "scab")
    names = [f"a{n}" for n in range(8)]
    data.csv(
        "train.csv", "id,labels", *(f'{n},"{c}"' for n, c in zip(names, cells * 2, strict=True))
    )
    data.files(*(f"train/{name}.jpg" for name in names))
    text = propose(data.folder)
    (line,) = (one for one in text.splitlines() if one.startswith("from ="))
    assert f"seems to hold several labels an image ('scab{separator}rust')" in line
    assert "not supported" in line
    assert len(data.read(proposed(data)).task.classes) == 3
