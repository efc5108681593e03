"""`maskcls score` reads two files, and names the one that is not there."""

from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.commands.score import score
from maskcls.core.errors import UserError
from maskcls.store.run import Run
from tests.commands.run_factory import logits_for, write_run
from tests.tasks import SKIN


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


def test_groups_of_the_truth_are_drawn_as_wholes(tmp_path: Path) -> None:
    rows = [(n, n // 10, n % 3, n % 3 if n // 10 % 2 else 0) for n in range(200)]
    truth, plain, answers = (tmp_path / name for name in ("truth.csv", "plain.csv", "answers.csv"))
    truth.write_text("ImageID,ans,group\n" + "".join(f"{n},{a},g{g}\n" for n, g, a, _ in rows))
    plain.write_text("ImageID,ans\n" + "".join(f"{n},{a}\n" for n, _, a, _ in rows))
    answers.write_text("ImageID,ans\n" + "".join(f"{n},{b}\n" for n, _, _, b in rows))
    by_group, by_image = score(str(answers), str(truth)), score(str(answers), str(plain))
    assert by_group.interval is not None
    assert by_image.interval is not None
    assert (by_group.interval_by, by_image.interval_by) == ("20 groups", "200 images")
    assert by_group.interval_note is None
    assert "each image counts as a group" in (by_image.interval_note or "")
    # A column of groups that names each image apart tells no more than none.
    plain.write_text("ImageID,ans,group\n" + "".join(f"{n},{a},i{n}\n" for n, _, a, _ in rows))
    named = score(str(answers), str(plain))
    assert (named.interval_by, named.interval_note) == ("200 images", by_image.interval_note)
    # Whole groups are right or wrong: single images would seem to tell more than they do.
    width = by_group.interval.high - by_group.interval.low
    assert width > 1.5 * (by_image.interval.high - by_image.interval.low)
    assert by_group.to_json()["interval"] == {
        "level": 0.95, "low": by_group.interval.low, "high": by_group.interval.high,
    }  # fmt: skip


def test_a_run_says_what_an_answer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "run", ["a.jpg"], [logits_for([1], 1.0, 2)], ["folds.count=2"], task=SKIN)
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("image_name,target\na,0.9\nb,0.2\nc,0.3\n")
    Path("t.csv").write_text("image_name,target\na,1\nb,0\nc,1\n")
    assert Run.at("run").task.metric == "auc"
    assert score("s.csv", "t.csv", "run").score.score == 1
    assert main(["score", "s.csv", "t.csv", "--run", "run"]) == 0
    first, *classes = capsys.readouterr().out.splitlines()
    assert first.startswith("AUC 1.0000  accuracy 0.6667  log loss ")
    assert first.endswith("(3 images)")
    assert [line.split()[-1] for line in classes] == ["0", "1"]
    assert main(["score", "s.csv", "t.csv"]) == 2
    assert "no column ImageID, ans" in capsys.readouterr().err
    assert main(["score", "s.csv", "t.csv", "--run", "nowhere"]) == 2
    assert "nowhere: this is not a run's folder" in capsys.readouterr().err
