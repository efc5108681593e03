"""A sample submission: read before training, matched with the eval images by name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.core.task import Answers
from maskcls.data.sample import read_sample, refuse_unanswerable, rows_of_sample, sample_for
from maskcls.data.table import read_data
from maskcls.store.folder import Folder
from maskcls.store.results import Sample
from tests.tasks import FRUIT, SKIN

IMAGES = ["b.jpg", "a.jpg", "x/c.png"]


def read(
    folder: Path, text: str, images: Sequence[str] = IMAGES, groups: Sequence[str] | None = None
) -> Sample | None:
    (folder / "sample_submission.csv").write_text(text, encoding="utf-8")
    return read_sample(Folder.at(folder), SKIN, images, groups)


def sample(*images: str) -> Sample:
    return Sample("s.csv", ("image", "label"), "image", images)


def test_header_and_rows_are_kept_as_written(tmp_path: Path) -> None:
    found = read(tmp_path, "target,image_name\r\n0, x/c \r\n0,a\r\n0,b.jpg\r\n")
    where = f"{tmp_path}/sample_submission.csv"
    assert found == Sample(where, ("target", "image_name"), "image_name", ("x/c", "a", "b.jpg"))
    assert rows_of_sample(found, IMAGES, "eval image").tolist() == [2, 1, 0]


def test_without_like_there_is_none(tmp_path: Path) -> None:
    assert read_sample(Folder.at(tmp_path), FRUIT, IMAGES) is None


def test_a_value_that_is_no_class_is_refused_before_training(tmp_path: Path) -> None:
    task = replace(FRUIT, answers=Answers(("id", "p"), "probability:plum"))
    with pytest.raises(UserError, match="'plum' is none of the classes"):
        read_sample(Folder.at(tmp_path), task, IMAGES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image_name,target\na,0\nd,0\n", "image_name 'd' names no eval image"),
        ("image_name,target\na,0\na.jpg,0\n", "'a.jpg' names the same eval image as 'a'"),
        ("image_name,target\na,0\n,0\n", "line 3: image_name is empty"),
        ("image_name,target\na,0\nb,0\na,0\n", "line 4: image_name 'a' is in line 2, too"),
        ("image_name,target\n", "no rows"),
        ("image_name,label\na,0\n", "it lacks target, and it has label"),
        ("id,target\na,0\n", "no column image_name; the header line found is 'id,target'"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    text: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert f"{tmp_path}/sample_submission.csv" in str(caught.value)


def test_a_file_that_is_missing_or_outside_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sample_submission\.csv: there is no such file"):
        read_sample(Folder.at(tmp_path), SKIN, IMAGES)
    outside = replace(SKIN, answers=Answers(("a", "b"), "value", "../s.csv"))
    with pytest.raises(UserError, match=r"'\.\./s\.csv': name a file within"):
        read_sample(Folder.at(tmp_path), outside, IMAGES)


def test_its_rows_may_name_groups(tmp_path: Path) -> None:
    text = "image_name,target\nP2,0\nP1,0\n"
    found = read(tmp_path, text, groups=["P1", "P1", "P2"])
    assert found is not None
    assert rows_of_sample(found, ["P1", "P2"], "group").tolist() == [1, 0]
    with pytest.raises(UserError, match="'P2' names no eval image"):
        read(tmp_path, text)
    with pytest.raises(UserError, match="'P2' names no eval image"):
        read(tmp_path, text, groups=["P1", "P1", "P3"])


def test_a_run_whose_answers_could_not_be_written_is_refused() -> None:
    groups = ["P1", "P1", "P2"]
    of_groups, of_images = sample("P2", "P1"), sample("a", "b", "x/c")
    for good, by_group in ((of_groups, True), (of_images, False), (None, True), (None, False)):
        refuse_unanswerable(good, IMAGES, groups, by_group)
    with pytest.raises(UserError, match=r"s\.csv: its rows name groups of images.*add --by-group"):
        refuse_unanswerable(of_groups, IMAGES, groups, by_group=False)
    with pytest.raises(UserError, match="'a' names no group of eval images"):
        refuse_unanswerable(of_images, IMAGES, groups, by_group=True)
    with pytest.raises(UserError, match=r"^--by-group: the images to predict have no groups; name"):
        refuse_unanswerable(None, IMAGES, None, by_group=True)
    with pytest.raises(UserError, match="'P2' names no eval image"):
        refuse_unanswerable(of_groups, IMAGES, None, by_group=False)


def test_names_are_compared_composed_and_with_or_without_extension() -> None:
    def rows(names: list[str], *images: str) -> list[int]:
        return rows_of_sample(sample(*images), names, "eval image").tolist()

    assert rows(["caf\u00e9.JPG", "b"], "b.jpg", "cafe\u0301") == [1, 0]
    # A dot of an id is no extension; and a name as it is goes first.
    assert rows(["1.5", "1"], "1", "1.5") == [1, 0]
    assert rows(["a.jpg", "a.png"], "a.png", "a.jpg") == [1, 0]
    with pytest.raises(UserError, match="'a' names two eval images, which differ in their ext"):
        rows(["a.jpg", "a.png"], "a")


def test_ten_rows_are_named_and_the_rest_counted() -> None:
    with pytest.raises(UserError, match=r"'0' names no (.|\n)*'9' names no (.|\n)*and 5 more$"):
        rows_of_sample(sample(*map(str, range(15))), ["a"], "eval image")


def test_the_sample_of_a_table_is_held_against_its_images_to_predict(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "test/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"image")
    table = read_data(Folder.at(tmp_path))
    assert sample_for(Folder.at(tmp_path), table) is None
    answers = replace(table.task.answers, like="s.csv")
    table = replace(table, task=replace(table.task, answers=answers))
    (tmp_path / "s.csv").write_text("image,label\n3.png,cat\n")
    found = sample_for(Folder.at(tmp_path), table)
    assert found is not None
    assert found.images == ("3.png",)
    assert sample_for(Folder.at(tmp_path), replace(table, eval_images=None)) is None
