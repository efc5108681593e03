"""Files of answers: each form of a submission, the true labels, and what is refused in them."""

import pytest

from maskcls.core.errors import UserError
from maskcls.core.task import Answers, Part, Task
from maskcls.data.answer_file import read_answers, read_truth
from tests.tasks import FRUIT, MASK, SKIN

EACH = Task("fruit", FRUIT.parts, answers=Answers(("id",), "probabilities"))
NUMBERS = Task("digits", (Part("label", ("2", "10", "1")),))


def test_classes_are_read_by_name_or_all_by_number() -> None:
    named = b"image,label\nb.jpg, date \na.jpg,apple\n"
    found = read_answers(named, "s.csv", FRUIT)
    assert found.images == ("b.jpg", "a.jpg")
    assert found.classes.tolist() == [3, 0]
    assert found.probs is None
    assert found.of(["a.jpg", "b.jpg"]).classes.tolist() == [0, 3]
    assert read_truth(b"image,label\nb,3\na,0\n", "t.csv", FRUIT).classes.tolist() == [3, 0]
    # Where names are numbers, they are names; unless one of them is none.
    assert read_truth(b"image,label\nb,2\na,1\n", "t.csv", NUMBERS).classes.tolist() == [0, 2]
    assert read_truth(b"image,label\nb,2\na,0\n", "t.csv", NUMBERS).classes.tolist() == [2, 0]


def test_numbers_of_the_mask_task_may_have_two_digits() -> None:
    assert read_answers(b"ImageID,ans\na,03\nb,17\n", "s.csv", MASK).classes.tolist() == [3, 17]


def test_one_probability_of_two_classes_gives_both() -> None:
    found = read_answers(b"target,image_name\n0.25,a\n7e-1,b\n", "s.csv", SKIN)
    assert found.probs is not None
    assert found.probs[:, 1].tolist() == [0.25, 0.7]
    assert found.probs[:, 0].tolist() == pytest.approx([0.75, 0.3])
    assert found.classes.tolist() == [0, 1]
    assert read_truth(b"image_name,target\na,1\nb,0\n", "t.csv", SKIN).classes.tolist() == [1, 0]
    assert read_truth(b"image_name,label\na,1\nb,0\n", "t.csv", SKIN).classes.tolist() == [1, 0]
    task = Task("fruit", FRUIT.parts, answers=Answers(("image", "p"), "probability:date"))
    with pytest.raises(UserError, match="one of 4 classes cannot be scored"):
        read_answers(b"image,p\na,1\n", "s.csv", task)


def test_probabilities_are_read_by_the_columns_names() -> None:
    found = read_answers(b"date,id,banana,apple,cherry\n.1,a,.2,.6,.1\n", "s.csv", EACH)
    assert found.probs is not None
    assert found.probs[0].tolist() == pytest.approx([0.6, 0.2, 0.1, 0.1])
    assert found.classes.tolist() == [0]
    rounded = read_answers(b"id,apple,banana,cherry,date\na,.333,.333,.333,0\n", "s.csv", EACH)
    assert rounded.probs is not None
    assert rounded.probs.sum() == pytest.approx(1, abs=1e-12)


def test_the_truth_of_probabilities_is_a_label_or_a_one_among_the_columns() -> None:
    columns = b"id,apple,banana,cherry,date\na,0,0,1,0\nb,1,0,0,0\n"
    assert read_truth(columns, "t.csv", EACH).classes.tolist() == [2, 0]
    assert read_truth(b"id,label\na,cherry\nb,apple\n", "t.csv", EACH).classes.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("task", "text", "words"),
    [
        (
            FRUIT,
            "image,label\na,plum\n",
            "s.csv line 2: label 'plum' is not one of the classes app",
        ),
        (FRUIT, "image,label\na,4\n", "label '4' is not one of the classes"),
        (FRUIT, "image,kind\na,date\n", "no column label; the header line found is 'image,kind'"),
        (FRUIT, "image,label\na,date\na,date\n", "line 3: image 'a' is in line 2, too"),
        (FRUIT, "image,label\n,date\n", "image is empty"),
        (FRUIT, "image,label\n", "no rows"),
        (MASK, "ImageID,ans\na,18\n", "ans '18' is not a whole number from 0 to 17"),
        (SKIN, "image_name,target\na,1.5\n", "line 2: target '1.5' is not a number from 0 to 1"),
        (SKIN, "image_name,target\na,nan\n", "target 'nan' is not a number"),
        (SKIN, "image_name,target\na,\n", "target '' is not a number"),
        (EACH, "id,apple,banana,cherry\na,1,0,0\n", "no column date"),
        (EACH, "id,apple,banana,cherry,date\na,1,0,0,.5\n", "'a' add up to 1.5, not to 1"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_line(task: Task, text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_answers(text.encode(), "s.csv", task)
    assert words in str(caught.value)
