"""Official scoring of a submission: joined on ImageID, strict about both files."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from maskcls.core.errors import UserError
from maskcls.core.task import Answers, Task
from maskcls.data.submission_score import score_files
from tests.tasks import FRUIT, SKIN

TRUTH = "ImageID,ans\n" + "".join(f"{n}.jpg,{n}\n" for n in range(18))


def test_right_answers_score_one() -> None:
    result = score_files(TRUTH.encode(), TRUTH.encode())
    assert (result.score.macro_f1, result.score.accuracy, result.images) == (1, 1, 18)
    assert result.warning is None
    values = result.to_json()
    assert list(values)[:4] == ["metric", "score", "macro_f1", "accuracy"]
    assert (values["images"], values["joined_on"]) == (18, "ImageID")
    assert "warning" not in values


def test_wrong_answers_score_as_in_scikit_learn() -> None:
    submission = TRUTH.replace("\n3.jpg,3\n", "\n3.jpg,4\n").encode()
    result = score_files(submission, TRUTH.encode())
    labels = list(range(18))
    predicted = [0, 1, 2, 4, *range(4, 18)]
    assert result.score.macro_f1 == pytest.approx(
        f1_score(labels, predicted, average="macro", zero_division=0)
    )


def test_blanks_around_names_and_values_change_nothing() -> None:
    padded = "\n".join(f" {line.replace(',', ' , ')} " for line in TRUTH.split()).encode()
    assert score_files(padded, TRUTH.encode()).score.macro_f1 == 1
    assert score_files(TRUTH.encode(), padded).score.macro_f1 == 1


def test_other_order_is_joined_and_warned_about() -> None:
    header, *rows = TRUTH.split()
    submission = "\n".join([header, *reversed(rows)]).encode()
    result = score_files(submission, TRUTH.encode(), ("mine.csv", "true.csv"))
    assert result.score.macro_f1 == 1
    assert "mine.csv is in another order than true.csv" in (result.warning or "")
    assert "would give macro F1 0.0000" in (result.warning or "")
    assert result.to_json()["warning"] == result.warning


def test_placeholder_answers_are_warned_about() -> None:
    info = b"ImageID,ans\na.jpg,0\nb.jpg,0\n"
    assert "every answer of truth.csv is 0" in (score_files(info, info).warning or "")


def test_extra_columns_bom_and_crlf_are_fine() -> None:
    submission = b"\xef\xbb\xbfans,note,ImageID\r\n3,x,a.jpg\r\n"
    assert score_files(submission, b"ImageID,ans\na.jpg,3\n").score.accuracy == 1


@pytest.mark.parametrize(
    ("submission", "words"),
    [
        ("ImageID,ans\na.jpg,18\n", ["sub.csv line 2", "'18'", "0 to 17"]),
        ("ImageID,ans\na.jpg,-1\n", ["line 2", "'-1'"]),
        ("ImageID,ans\na.jpg,3.0\n", ["line 2", "'3.0'"]),
        ("ImageID,ans\na.jpg,\n", ["line 2", "''"]),
        ("ImageID,ans\na.jpg,3\nb.jpg,4\na.jpg,3\n", ["line 4", "'a.jpg'", "line 2, too"]),
        ("ImageID,ans\n,3\n", ["line 2", "ImageID is empty"]),
        ("ImageID,label\na.jpg,3\n", ["no column ans", "ImageID,label"]),
        ("ImageID,ans\n", ["no rows"]),
        ("", ["sub.csv is empty"]),
        ("id,gender,race,age,path\n1,male,Asian,20,x\n", ["looks like train.csv", "ImageID,ans"]),
    ],
)
def test_bad_file_is_refused_on_either_side(submission: str, words: list[str]) -> None:
    good = b"ImageID,ans\na.jpg,3\nb.jpg,4\n"
    bad = submission.encode()
    for files, names in (((bad, good), ("sub.csv", "ok")), ((good, bad), ("ok", "sub.csv"))):
        with pytest.raises(UserError) as caught:
            score_files(*files, names=names)
        for word in words:
            assert word in str(caught.value)


def test_different_images_are_refused_with_counts_and_examples() -> None:
    submission = b"ImageID,ans\na.jpg,1\nx.jpg,1\n"
    truth = b"ImageID,ans\na.jpg,1\nb.jpg,1\nc.jpg,1\n"
    with pytest.raises(UserError) as caught:
        score_files(submission, truth)
    assert "2 of truth.csv are not in submission.csv (such as 'b.jpg')" in str(caught.value)
    assert "1 of submission.csv are not in truth.csv (such as 'x.jpg')" in str(caught.value)


def test_faults_are_collected() -> None:
    rows = "".join(f"{n}.jpg,x\n" for n in range(12))
    with pytest.raises(UserError, match=r"line 2: (.|\n)*line 11: (.|\n)*\.\.\. and 2 more$"):
        score_files(f"ImageID,ans\n{rows}".encode(), TRUTH.encode())


# ---- other tasks ---------------------------------------------------------------------------------


def csv_of(header: str, rows: object) -> bytes:
    lines = [",".join(map(str, row)) for row in rows]  # type: ignore[attr-defined]
    return "\n".join([header, *lines, ""]).encode()


def test_probabilities_of_one_class_are_scored_against_labels() -> None:
    draw = np.random.default_rng(2)
    labels, probs = draw.integers(0, 2, 50), draw.random(50)
    submission = csv_of("image_name,target", enumerate(probs))
    truth = csv_of("image_name,target", reversed(list(enumerate(labels))))
    result = score_files(submission, truth, task=SKIN)
    assert result.score.metric == "auc"
    assert result.score.score == pytest.approx(roc_auc_score(labels, probs))
    assert result.score.values["log_loss"] == pytest.approx(log_loss(labels, probs))
    assert result.score.accuracy == pytest.approx(accuracy_score(labels, probs > 0.5))
    # The order of the rows matters to the mask competition's scorer alone.
    assert result.warning is None
    assert result.to_json()["joined_on"] == "image_name"


def test_a_column_for_each_class_is_scored_by_log_loss() -> None:
    task = Task("fruit", FRUIT.parts, "log_loss", answers=Answers(("id",), "probabilities"))
    draw = np.random.default_rng(3)
    labels, probs = draw.integers(0, 4, 40), draw.dirichlet([1] * 4, 40)
    rows = ((n, *row) for n, row in enumerate(probs[:, [2, 0, 1, 3]]))
    submission = csv_of("id,cherry,apple,banana,date", rows)
    truth = csv_of("id,label", ((n, task.classes[k]) for n, k in enumerate(labels)))
    result = score_files(submission, truth, task=task)
    expected = log_loss(labels, probs, labels=range(4))
    assert result.score.values["log_loss"] == pytest.approx(expected)
    assert result.score.score == pytest.approx(-expected)


def test_names_of_classes_are_scored_without_what_needs_probabilities() -> None:
    task = Task("fruit", FRUIT.parts, "macro_f1", ("log_loss",))
    submission = b"image,label\na,date\nb,apple\nc,date\n"
    truth = b"image,label\nc,date\na,date\nb,cherry\n"
    result = score_files(submission, truth, task=task)
    assert result.score.accuracy == pytest.approx(2 / 3)
    assert "log_loss" not in result.score.values
    assert result.images == 3


def test_all_answers_of_the_first_class_are_a_warning_for_masks_alone() -> None:
    file = b"image,label\na,apple\nb,apple\n"
    assert score_files(file, file, task=FRUIT).warning is None
