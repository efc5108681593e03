"""Official scoring of a submission: joined on ImageID, strict about both files."""

import pytest
from sklearn.metrics import f1_score

from maskcls.core.errors import UserError
from maskcls.data.submission_score import score_files

TRUTH = "ImageID,ans\n" + "".join(f"{n}.jpg,{n}\n" for n in range(18))


def test_right_answers_score_one() -> None:
    result = score_files(TRUTH.encode(), TRUTH.encode())
    assert (result.score.macro_f1, result.score.accuracy, result.images) == (1, 1, 18)
    assert result.warning is None
    values = result.to_json()
    assert list(values)[:3] == ["macro_f1", "accuracy", "per_class"]
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
