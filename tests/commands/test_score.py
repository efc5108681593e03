"""`maskcls score` reads two files, and names the one that is not there."""

from pathlib import Path

import pytest

from maskcls.commands.score import score
from maskcls.core.errors import UserError


def write(path: Path, *answers: int) -> str:
    rows = [f"{number}.jpg,{answer}" for number, answer in enumerate(answers)]
    path.write_text("\n".join(["ImageID,ans", *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_a_submission_is_scored_against_the_truth(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.csv", 0, 0, 4, 4)
    assert score(truth, truth).score.accuracy == 1.0
    found = score(write(tmp_path / "submission.csv", 0, 0, 4, 0), truth)
    assert (found.score.accuracy, found.images) == (0.75, 4)


@pytest.mark.parametrize(
    ("name", "why"), [("absent.csv", "there is no such file"), ("folder", "this is a folder")]
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    truth = write(tmp_path / "truth.csv", 0)
    for files in ((str(tmp_path / name), truth), (truth, str(tmp_path / name))):
        with pytest.raises(UserError, match=rf"{name}: {why}"):
            score(*files)
