"""The page, the ranking and the records of a search."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from maskcls.cli.status_text import trial_table
from maskcls.core.interval import Interval
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.tuning.report import importance_of, page
from maskcls.tuning.search_record import SearchContent
from maskcls.tuning.space import Choice, Range, Search, Space
from maskcls.tuning.trials import FinalScore, State, Trial, ranked, read_trials, write_trial

SPACE = Space(
    Search(), {"optim.lr": Range(1e-4, 1e-2, log=True), "loss.name": Choice(("f1", "focal"))}
)
RECORD = SearchContent(
    **vars(Record.new({"images": 84, "groups": 12})), search={"sampler": "optuna"}, seconds=600.0
)


def trials() -> list[Trial]:
    first = Trial(0, {"optim.lr": 1e-3, "loss.name": "focal"}, "finished", [0.1, 0.3])
    first.out_of_fold = FinalScore(0.31, [0.3, 0.32], 0.0141, 0, Interval(0.95, 0.28, 0.34))
    second = Trial(1, {"optim.lr": 1e-4, "loss.name": "f1"}, "finished", [0.2, 0.4])
    second.out_of_fold = FinalScore(0.29, [0.4, 0.18], 0.1556, 0)
    stopped = Trial(2, {"optim.lr": 5e-3, "loss.name": "f1"}, "stopped", [0.05])
    failed = Trial(3, {"optim.lr": 9e-3, "loss.name": "f1"}, "failed", [], "loss became <nan>")
    return [failed, stopped, second, first]


def test_the_out_of_fold_score_ranks_and_not_fold_0() -> None:
    assert [t.number for t in ranked(trials())] == [0, 1, 2, 3]


def test_the_page_is_whole_and_names_every_trial() -> None:
    text = page(SPACE, ranked(trials()), RECORD)
    assert "Trial 0: out-of-fold macro F1 0.3100, folds&#x27; deviation 0.0141" in text.replace(
        "folds' deviation", "folds&#x27; deviation"
    )
    assert "4 trials by optuna in 10 minutes: 2 finished, 1 stopped, 1 failed." in text
    assert " 84 images of 12 groups. Each trial trained fold 0 first;" in text
    assert "loss became &lt;nan&gt;" in text
    assert "<td class=n>0.3100</td><td>[0.2800, 0.3400]</td><td class=n>0.0141</td>" in text
    assert "<td class=n>0.2900</td><td>-</td>" in text
    for trial in trials():
        assert f"<td class=n>{trial.number}</td>" in text
    # Each picture is XML, with a dot for each trial that has a score.
    pictures = [p.split("</svg>")[0] + "</svg>" for p in text.split("<figure>")[1:]]
    for picture in pictures:
        assert len(ElementTree.fromstring(picture).findall("circle")) == 3  # noqa: S314  # ours
    assert len(pictures) == 2
    assert "src=" not in text
    assert "http" not in text


def test_where_each_image_is_its_own_group_there_are_only_images() -> None:
    content = SearchContent(
        **vars(Record.new({"images": 84, "groups": 84})), search={"sampler": "random"}
    )
    assert " 84 images. Each trial trained fold 0 first;" in page(SPACE, ranked(trials()), content)


def test_another_metric_is_named_and_has_its_own_sign() -> None:
    scores = [[-0.6, -0.35 - 0.01 * n] for n in range(8)]
    settings = [{"optim.lr": 1e-3 + 1e-4 * n, "loss.name": "f1"} for n in range(8)]
    found = [Trial(n, settings[n], "finished", scores[n], metric="log_loss") for n in range(8)]
    found[0].out_of_fold = FinalScore(-0.31, [-0.3, None], None, 0)
    text = page(SPACE, ranked(found), RECORD)
    assert "Trial 0: out-of-fold log loss 0.3100" in text
    assert "best log loss of fold 0</th>" in text
    assert "variance of fold 0's log loss" in text.replace("&#x27;", "'")
    assert "<td>0.3000  -</td>" in text
    assert ", 0.3500</title>" in text
    assert "-0." not in text
    line = trial_table(ranked(found))[1]
    assert line.split()[:6] == ["0", "finished", "0.3100", "-", "0.3500", "2"]


def test_what_was_lost_is_reported_to_be_tried_again() -> None:
    best, second, third, failed = ranked(trials())
    third.state, third.error = "lost", "the disk is full."
    second.out_of_fold, second.error = None, "fold 1 failed: the actor died"
    assert [t.is_lost for t in (best, second, third, failed)] == [False, True, True, False]
    assert [t.is_open for t in (best, second, third, failed)] == [False, False, True, False]
    lines = trial_table([best, second, third, failed])
    assert lines[1].endswith("loss.name=focal")
    assert lines[2].endswith(
        "  lost on other folds: fold 1 failed: the actor died; the same command tries it again"
    )
    assert lines[3].split()[:2] == ["2", "lost"]
    assert lines[3].endswith("  lost: the disk is full; the same command tries it again")
    assert lines[4].endswith("  loss became <nan>")
    text = page(SPACE, [best, second, third, failed], RECORD)
    assert "2 finished, 1 failed, 1 lost." in text
    assert "lost: the disk is full; the same command tries it again" in text


def test_a_lost_trial_does_not_shorten_the_comparison() -> None:
    def of(state: State, scores: list[float], number: int = 0) -> Trial:
        return Trial(number, {"optim.lr": 1e-3 + 1e-4 * number, "loss.name": "f1"}, state, scores)

    whole = [of("finished", [0.1, 0.2 + 0.01 * n], n) for n in range(8)]
    assert importance_of(SPACE, whole).epoch == 2
    assert importance_of(SPACE, [*whole, of("lost", [0.9], 8)]).epoch == 2
    assert importance_of(SPACE, [*whole, of("stopped", [0.1], 8)]).epoch == 1


def test_records_come_back(tmp_path: Path) -> None:
    root = Folder.at(tmp_path)
    assert read_trials(root) == []
    for trial in trials():
        write_trial(root, trial)
    (tmp_path / "trials/000").mkdir()
    assert [t.number for t in read_trials(root)] == [0, 1, 2, 3]
    assert read_trials(root)[0] == trials()[3]
