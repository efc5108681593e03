"""The page, the ranking and the records of a search."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from maskcls.search.page import page
from maskcls.search.space import Choice, Range, Search, Space
from maskcls.search.trials import Trial, ranked, read_trials, write_trial
from maskcls.store.paths import Folder

SPACE = Space(
    Search(), {"optim.lr": Range(1e-4, 1e-2, log=True), "loss.name": Choice(("f1", "focal"))}
)
RECORD = {"seconds": 600.0, "search": {"sampler": "optuna"}, "data": {"images": 84, "people": 12}}


def trials() -> list[Trial]:
    first = Trial(0, {"optim.lr": 1e-3, "loss.name": "focal"}, "finished", [0.1, 0.3])
    first.out_of_fold = {"macro_f1": 0.31, "folds": [0.3, 0.32], "deviation": 0.0141}
    second = Trial(1, {"optim.lr": 1e-4, "loss.name": "f1"}, "finished", [0.2, 0.4])
    second.out_of_fold = {"macro_f1": 0.29, "folds": [0.4, 0.18], "deviation": 0.1556}
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
    assert "loss became &lt;nan&gt;" in text
    for trial in trials():
        assert f"<td class=n>{trial.number}</td>" in text
    # Each picture is XML, with a dot for each trial that has a score.
    pictures = [p.split("</svg>")[0] + "</svg>" for p in text.split("<figure>")[1:]]
    for picture in pictures:
        assert len(ElementTree.fromstring(picture).findall("circle")) == 3  # noqa: S314  # ours
    assert len(pictures) == 2
    assert "src=" not in text
    assert "http" not in text


def test_records_come_back(tmp_path: Path) -> None:
    root = Folder.at(tmp_path)
    assert read_trials(root) == []
    for trial in trials():
        write_trial(root, trial)
    (tmp_path / "trials/000").mkdir()
    assert [t.number for t in read_trials(root)] == [0, 1, 2, 3]
    assert read_trials(root)[0] == trials()[3]
