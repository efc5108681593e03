"""The form of answers: each kind, with and without a sample, and columns that do not fit."""

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.core.task import Answers, Part, Task
from maskcls.data.answers import answer_columns, class_texts, form_of, prediction_header
from maskcls.store.results import Sample
from tests.tasks import FRUIT, MASK, SKIN

CLASSES = np.array([1, 3])
PROBS = np.array([[0.1, 0.7, 0.2, 0.0], [1 / 3, 0.0, 1e-12, 2 / 3]])


def fruit(values: str, *columns: str) -> Task:
    return Task("fruit", FRUIT.parts, answers=Answers(columns or ("image", "label"), values))


def rows(task: Task, sample: Sample | None = None) -> list[list[object]]:
    form = form_of(task, sample)
    found = form.rows(["x.jpg", "y.jpg"], form.values(CLASSES, PROBS))
    return [list(form.header), *found]


def sample(*columns: str, image: str = "id") -> Sample:
    return Sample("data/sample.csv", columns, image, ("x.jpg",))


def test_a_class_is_written_by_name_or_number() -> None:
    assert rows(FRUIT) == [["image", "label"], ["x.jpg", "banana"], ["y.jpg", "date"]]
    assert rows(fruit("class", "id", "ans")) == [["id", "ans"], ["x.jpg", "1"], ["y.jpg", "3"]]
    assert rows(MASK)[:2] == [["ImageID", "ans"], ["x.jpg", "1"]]


def test_one_probability_is_that_of_the_class_by_its_name() -> None:
    found = rows(fruit("probability:cherry", "id", "p"))
    assert found == [["id", "p"], ["x.jpg", 0.2], ["y.jpg", 1e-12]]
    with pytest.raises(UserError, match="'plum' is none of the classes, which are apple, banana"):
        form_of(fruit("probability:plum"))


@pytest.mark.parametrize("columns", [("id",), ("id", "label")])
def test_probabilities_have_a_column_for_each_class(columns: tuple[str, ...]) -> None:
    found = rows(fruit("probabilities", *columns))
    assert found[0] == ["id", "apple", "banana", "cherry", "date"]
    assert found[1:] == [["x.jpg", *PROBS[0]], ["y.jpg", *PROBS[1]]]


def test_the_task_or_the_sample_orders_the_columns() -> None:
    named = fruit("probabilities", "id", "date", "apple", "cherry", "banana")
    expected = [PROBS[0][k] for k in (3, 0, 2, 1)]
    assert rows(named)[:2] == [list(named.answers.columns), ["x.jpg", *expected]]
    given = sample("banana", "id", "cherry", "apple", "date")
    found = rows(fruit("probabilities", "id"), given)
    assert found[:2] == [
        ["banana", "id", "cherry", "apple", "date"],
        [PROBS[0][1], "x.jpg", PROBS[0][2], PROBS[0][0], PROBS[0][3]],
    ]
    assert rows(fruit("value", "id", "kind"), sample("kind", "id"))[1] == ["banana", "x.jpg"]


@pytest.mark.parametrize(
    ("task", "columns", "words"),
    [
        (fruit("probabilities", "id"), ("id", "apple", "banana", "date"), "it lacks cherry"),
        (
            fruit("probabilities", "id"),
            ("id", "apple", "banana", "cherry", "date", "plum"),
            "it has plum, which is no answer",
        ),
        (fruit("value", "id", "kind"), ("id", "label"), "lacks kind, and it has label"),
    ],
)
def test_a_sample_with_other_columns_is_refused(
    task: Task, columns: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=rf"^data/sample\.csv: .*{words}.*task\.toml$"):
        form_of(task, sample(*columns))


def test_columns_that_are_not_the_classes_are_refused() -> None:
    with pytest.raises(UserError, match="a, b are not the classes, which are apple, banana"):
        answer_columns(fruit("probabilities", "id", "a", "b"))


def test_decomposed_and_composed_names_are_one_class() -> None:
    parts = (Part("label", ("caf\u00e9", "tea")),)
    task = Task("drinks", parts, answers=Answers(("id",), "probabilities"))
    form = form_of(task, sample("id", "tea", "cafe\u0301"))
    assert form.probabilities == (1, 0)
    assert form.header == ("id", "tea", "cafe\u0301")


def test_predictions_are_headed_by_what_the_answers_use() -> None:
    assert prediction_header(MASK) == ("ans", *(f"p{k}" for k in range(18)))
    assert class_texts(MASK)[17] == "17"
    assert prediction_header(SKIN) == ("label", "0", "1")
    assert class_texts(SKIN) == ("0", "1")
    assert prediction_header(fruit("value", "id", "kind")) == ("kind", *FRUIT.classes)
    # A class that is called as another column.
    task = Task("odd", (Part("label", ("label", "path")),))
    assert prediction_header(task) == ("label", "p:label", "p:path")
