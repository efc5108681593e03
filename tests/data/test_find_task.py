"""Which task a data folder is, first match wins; what is refused, and with which way out."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.task_file import EvalFile, PartFile, Source, built_in, built_in_text

if TYPE_CHECKING:
    from tests.data.task_data import TaskData

TASK = '[task]\nimages = "a"\n[[part]]\nname = "label"\nfrom = "stem"\n'


def refused(data: "TaskData", asked: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        data.find(asked)
    return str(caught.value)


def mask_layout(data: "TaskData") -> "TaskData":
    data.csv("train/train.csv", "id,gender,race,age,path", "1,male,Asian,20,x")
    return data.files("train/images/x/normal.jpg")


def test_the_mask_layout_is_the_built_in_task(data: "TaskData") -> None:
    assert mask_layout(data).find() == built_in("mask")


def test_a_column_that_the_mask_layout_lacks_is_for_its_own_reader_to_name(
    data: "TaskData",
) -> None:
    data.csv("train/train.csv", "id,gender,race,path", "1,male,Asian,x")
    assert data.files("train/images/x/normal.jpg").find() == built_in("mask")


def test_a_task_file_in_the_folder_comes_before_the_layout(data: "TaskData") -> None:
    file = mask_layout(data).text("task.toml", TASK).find()
    assert (file.images, file.how) == ("a", f"{data.folder.shown}/task.toml")


def test_what_is_asked_for_comes_first(data: "TaskData") -> None:
    data.text("task.toml", TASK).text("other.toml", TASK.replace('"a"', '"b"'))
    asked = str(data.root / "other.toml")
    assert data.find(asked).images == "b"
    assert data.find(asked).how == asked
    assert data.find("mask") == built_in("mask")


def test_an_edited_copy_of_the_built_in_task_has_its_borders(data: "TaskData") -> None:
    mask_layout(data).text("task.toml", built_in_text("mask").replace("[30, 60]", "[25, 40]"))
    assert data.find().parts[2].borders == (25, 40)


def test_a_task_file_that_is_not_there_is_refused(data: "TaskData") -> None:
    message = refused(data, str(data.root / "nowhere.toml"))
    assert "nowhere.toml: no such task file; built-in tasks are mask" in message


@pytest.mark.parametrize("name", ["train.csv", "metadata.csv", "labels.csv"])
@pytest.mark.parametrize("image", ["image", "file_name"])
@pytest.mark.parametrize("folder", ["", "images", "train"])
def test_a_csv_with_image_and_label(data: "TaskData", name: str, image: str, folder: str) -> None:
    data.csv(name, f"{image},label", "a.jpg,x", "b.jpg,y")
    file = data.files(*(f"{folder}/{one}".lstrip("/") for one in ("a.jpg", "b.jpg"))).find()
    assert (file.table, file.image, file.images, file.suffix) == (name, image, folder, "")
    assert file.parts == (PartFile("label", Source("column", "label")),)
    assert file.how == f"{name} with the columns {image}, label"
    assert (file.group, file.fold, file.eval) == (None, None, None)


def test_group_and_fold_are_used_if_they_are_there(data: "TaskData") -> None:
    data.csv("train.csv", "fold,label,camera,image,group", "0,x,c,a.jpg,g", "1,y,c,b.jpg,h")
    file = data.files("a.jpg", "b.jpg").find()
    assert file.group == Source("column", "group")
    assert file.fold == Source("column", "fold")
    assert file.how == "train.csv with the columns image, label, group, fold"


def test_upper_case_and_blanks_in_column_names_are_passed_over_and_said(data: "TaskData") -> None:
    data.csv("train.csv", "Image, Label ,GROUP", "a.jpg,x,g", "b.jpg,y,h")
    file = data.files("a.jpg", "b.jpg").find()
    assert (file.image, file.parts[0].source.text) == ("Image", "Label")
    assert file.how == "train.csv with the columns Image, Label, GROUP"


def test_of_two_columns_that_differ_in_case_the_exact_one_counts(data: "TaskData") -> None:
    data.csv("train.csv", "image,Label,label", "a.jpg,q,x", "b.jpg,q,y").files("a.jpg", "b.jpg")
    assert data.find().parts[0].source.text == "label"
    data.csv("train.csv", "image,Label,LABEL", "a.jpg,q,x", "b.jpg,q,y")
    assert "no column label" in refused(data)


def test_names_without_extension_get_that_of_the_files(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "001,x", "002,y").files("images/001.png", "images/002.png")
    assert (data.find().images, data.find().suffix) == ("images", ".png")


def test_a_csv_whose_images_are_nowhere_says_where_they_may_lie(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,x", "b.jpg,y").files("pictures/a.jpg")
    message = refused(data)
    assert "a.jpg, b.jpg; they may lie in DATA, DATA/images or DATA/train" in message
    assert "--propose" in message


def test_a_folder_test_beside_a_csv_is_to_be_predicted(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,x", "b.jpg,y")
    data.files("train/a.jpg", "train/b.jpg", "test/c.jpg")
    assert data.find().eval == EvalFile("test")
    # Rows of the table lie in it: it is one of the folders of the data.
    data.csv("train.csv", "image,label", "train/a.jpg,x", "test/c.jpg,y")
    assert (data.find().images, data.find().eval) == ("", None)


def test_a_csv_with_other_columns_says_what_it_has_and_how_to_go_on(data: "TaskData") -> None:
    data.csv("train.csv", "image_name,patient_id,target", "a,p,0").files("jpeg/train/a.jpg")
    message = refused(data)
    assert "train.csv has no column image and no column label; it has image_name" in message
    for word in ("patient_id", "target", "task.toml", "--propose"):
        assert word in message


def test_a_csv_with_other_columns_is_not_passed_over_for_folders(data: "TaskData") -> None:
    data.csv("train.csv", "id,breed", "a,pug").files("train_images/a.jpg", "test_images/b.jpg")
    assert "train.csv has no column image" in refused(data)


@pytest.mark.parametrize("base", ["", "train/"])
def test_folders_are_classes(data: "TaskData", base: str) -> None:
    file = data.files(f"{base}cat/1.jpg", f"{base}dog/1.jpg", f"{base}.git/x.jpg").find()
    assert file.images == base.strip("/")
    assert file.parts == (PartFile("label", Source("folder")),)
    assert file.roots == (("", None),)
    assert file.how == f"folders as classes ({base or data.folder.shown + '/'})"
    assert (file.table, file.eval, file.answers.columns) == (None, None, ("image", "label"))


def test_a_class_whose_images_lie_deeper_is_one(data: "TaskData") -> None:
    assert data.files("cat/1.jpg", "dog/old/1.jpg").find().parts[0].source.kind == "folder"


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_a_given_hold_out(data: "TaskData", name: str) -> None:
    file = data.files("train/a/1.jpg", "train/b/1.jpg", f"{name}/a/2.jpg", "test/3.jpg").find()
    assert (file.images, file.roots) == ("", (("train", -1), (name, 0)))
    assert file.eval == EvalFile("test")
    assert file.how == f"folders as classes (train/, held out: {name}/, to be predicted: test/)"


def test_a_folder_test_is_no_class_beside_classes(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.jpg", "test/a/2.jpg")
    assert data.find().eval == EvalFile("test")


def test_a_hold_out_with_a_class_of_its_own_is_refused(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/c/1.jpg")
    assert "val: c: no such class in train, which has a, b" in refused(data)


def test_a_hold_out_without_classes_is_refused(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "val/1.jpg")
    assert "no folders of the classes a, b" in refused(data)
    data.files("valid/a/1.jpg")
    assert "val and valid are both there" in refused(data)


def test_a_hold_out_beside_the_classes_is_refused(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.jpg", "val/a/1.jpg")
    assert "move the folders a, b into" in refused(data)


def test_one_class_only_is_refused(data: "TaskData") -> None:
    message = refused(data.files("only/a.png"))
    assert "only one class (only); a classifier needs two or more folders" in message


def test_a_folder_too_many_around_the_classes_is_named(data: "TaskData") -> None:
    message = refused(data.files("images/cat/1.jpg", "images/dog/1.jpg"))
    assert f"if its folders cat, dog are the classes, name {data.folder.shown}/images" in message


def test_images_in_train_and_test_alone_are_no_classes(data: "TaskData") -> None:
    message = refused(data.files("train/cat.1.jpg", "train/dog.1.jpg", "test/1.jpg"))
    assert "no task found" in message
    assert "3 images in test/, train/" in message or "3 images in train/, test/" in message
    assert "--propose" in message


def test_labels_that_are_amounts_are_refused(data: "TaskData") -> None:
    rows = [f"{n}.jpg,{n / 7:.3f}" for n in range(40)]
    data.csv("train.csv", "image,label", *rows, ",").files("1.jpg")
    assert "to predict an amount (regression) is not supported" in refused(data)
    rows = [f"{n}.jpg,{n}" for n in range(1500)]
    data.csv("train.csv", "image,label", *rows)
    assert "1,500 different ones" in refused(data)


@pytest.mark.parametrize("values", [("0", "1"), ("0.0", "1.0"), ("1", "2"), ("-1", "1")])
def test_few_numbers_are_classes(data: "TaskData", values: tuple[str, str]) -> None:
    data.csv("train.csv", "image,label", f"a.jpg,{values[0]}", f"b.jpg,{values[1]}")
    assert data.files("a.jpg", "b.jpg").find().table == "train.csv"


def test_several_labels_in_a_cell_are_refused(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a.jpg,cat", "b.jpg,dog", 'c.jpg,"cat,dog"').files("a.jpg")
    assert "several labels in a cell ('cat,dog'); one label an image" in refused(data)
    data.csv("train.csv", "image,labels", "a.jpg,scab", "b.jpg,rust", "c.jpg,scab rust")
    assert "column labels holds several labels in a cell ('scab rust')" in refused(data)


def test_class_names_with_commas_and_blanks_are_classes(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", 'a.jpg,"Smith, Ann"', "b.jpg,Great Dane", "c.jpg,pug")
    assert data.files("a.jpg", "b.jpg").find().table == "train.csv"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scans/1.dcm", "DICM", ["DICOM", "scans/1.dcm", "PNG"]),
        ("train.zip", "PK", ["archives (train.zip)", "unpack"]),
        ("annotations/a.json", '{"images": [], "annotations": []}', ["COCO", "CSV"]),
        ("a.csv", "x,y\n", ["no task found", "1 .csv", "DATA needs images"]),
    ],
)
def test_refused_by_name(data: "TaskData", name: str, content: str, words: list[str]) -> None:
    message = refused(data.text(name, content))
    for word in words:
        assert word in message


def test_the_train_folder_of_the_mask_layout_names_its_parent(data: "TaskData") -> None:
    mask_layout(data)
    inner = replace(data, root=data.root / "train")
    assert "did you mean the parent folder?" in refused(inner)


@pytest.mark.parametrize("name", ["train/images/x/normal.jpg", "train/images/x/incorrect_mask.png"])
def test_the_mask_layout_without_its_table_says_what_it_needs(data: "TaskData", name: str) -> None:
    assert "DATA/train/train.csv and" in refused(data.files(name, "train/images/y/mask1.jpg"))


def test_the_mask_layout_without_its_images_says_what_it_needs(data: "TaskData") -> None:
    data.csv("train/train.csv", "id,gender,race,age,path", "1,male,Asian,20,x")
    assert "DATA/train/train.csv and" in refused(data)


def test_a_table_in_the_folder_of_classes_does_not_make_it_the_mask_layout(
    data: "TaskData",
) -> None:
    data.csv("train/train.csv", "x,y").files("train/a/1.jpg", "train/b/1.jpg")
    assert data.find().images == "train"


def test_no_folder_or_a_file_is_refused(data: "TaskData") -> None:
    assert "no such folder" in refused(replace(data, root=data.root / "nowhere"))
    data.text("file", "")
    assert "a file, not a folder" in refused(replace(data, root=data.root / "file"))


def test_folders_called_like_files_are_passed_over(data: "TaskData") -> None:
    data.files("train.csv/x.txt", "task.toml/x.txt", "a/1.jpg", "b/1.jpg")
    assert data.find().parts[0].source.kind == "folder"
