"""A decision from a run's files: what is fitted, when it is used, what the provenance says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskcls.commands.ensemble import ensemble
from maskcls.core.errors import UserError
from maskcls.core.task import Answers, Task
from tests.commands.run_factory import write_run
from tests.conftest import Heard
from tests.evaluation.held_out_factory import write_held_out
from tests.tasks import FRUIT, SKIN

TWO = ["folds.count=2"]
TRAINING, EVAL = np.array([0.6, 0.25, 0.1, 0.05]), np.array([0.1, 0.2, 0.3, 0.4])


def drawn(seed: int, groups: int, shares: np.ndarray = TRAINING) -> tuple[np.ndarray, ...]:
    """Labels, logits that know the training shares, and groups of three."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice(4, size=groups, p=shares), 3)
    logits = rng.normal(size=(groups * 3, 4)) + np.eye(4)[labels] + np.log(TRAINING)
    return labels, logits.astype(np.float32), np.repeat(np.arange(groups), 3)


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Of a task of four classes, with other shares among its eval images."""
    labels, logits, groups = drawn(1, 300)
    _, of_eval, _ = drawn(2, 300, EVAL)
    noise = np.random.default_rng(3).normal(size=(2, 900, 4)) * 0.1
    ids = [f"e{number}.jpg" for number in range(900)]
    write_run(
        tmp_path / "a", ids, of_eval + noise, TWO, task=FRUIT, labels=labels.tolist()
    )  # fmt: skip
    write_held_out(tmp_path / "a", labels, logits, [f"g{g}" for g in groups], groups % 2)
    return str(tmp_path / "a")


def answers(run: str, out: Path, heard: Heard, **options: Any) -> tuple[list[str], dict[str, Any]]:
    ensemble([run], str(out / "s.csv"), heard, **options)
    found = json.loads((out / "s.csv.provenance.json").read_text())
    return pd.read_csv(out / "s.csv").iloc[:, 1].tolist(), found


def test_auto_takes_weights_that_gain_and_argmax_is_as_ever(
    run: str, tmp_path: Path, heard: Heard
) -> None:
    plain, about = answers(run, tmp_path, heard, decide="argmax")
    assert about["decision"]["rule"] == "argmax"
    assert about["decision"]["weights"] == [1.0] * 4
    assert about["decision"]["score_interval"] is None  # nothing was measured
    auto, about = answers(run, tmp_path, heard)
    decision = about["decision"]
    assert decision["rule"] == "tuned"
    assert 0 < decision["interval"][0] < decision["gain"] < decision["interval"][1]
    assert decision["weights"][3] > 1.2 > decision["weights"][0]
    low, high = decision["score_interval"]
    assert low < decision["held_out"] < high
    assert auto.count("date") > plain.count("date")
    assert not about["prior"]["used"]
    assert about["prior"]["estimated"] is None
    low, high = about["forecast"]["interval"]
    assert low < about["forecast"]["value"] < high
    tuned, _ = answers(run, tmp_path, heard, decide="tuned")
    assert tuned == auto


def test_a_file_of_shares_is_used(run: str, tmp_path: Path, heard: Heard) -> None:
    shares = tmp_path / "shares.json"
    shares.write_text(json.dumps(EVAL.tolist()))
    plain, _ = answers(run, tmp_path, heard, decide="argmax")
    found, about = answers(run, tmp_path, heard, decide="argmax", prior=str(shares))
    assert about["prior"]["used"]
    assert about["prior"]["estimated"] == pytest.approx(EVAL)
    assert about["decision"]["calibrated"]
    truth = [FRUIT.classes[k] for k in drawn(2, 300, EVAL)[0]]
    right = [sum(a == b for a, b in zip(one, truth, strict=True)) for one in (plain, found)]
    assert right[1] > right[0] + 90  # of 900: the shares are worth a lot
    _, about = answers(run, tmp_path, heard, prior=str(shares))
    assert about["decision"]["interval"][0] > 0
    low, high = about["decision"]["score_interval"]
    assert low < about["decision"]["held_out"] < high
    assert about["forecast"]["value"] > about["decision"]["argmax"] + 0.05


def test_shares_are_estimated(run: str, tmp_path: Path, heard: Heard) -> None:
    _, about = answers(run, tmp_path, heard, prior="estimated")
    estimated = np.array(about["prior"]["estimated"])
    assert about["prior"]["used"]
    assert np.abs(estimated - EVAL).sum() < np.abs(TRAINING - EVAL).sum() / 2


@pytest.mark.parametrize("prior", ["none", "shares.csv"])
def test_without_held_out_rows_it_is_argmax_and_says_why(
    prior: str, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shares.csv").write_text("class,share\napple,0.7\nbanana,0.1\ncherry,0.1\ndate,0.1\n")
    ids, logits = ["a.jpg", "b.jpg"], np.array([[[0.2, 0.1, 0, 0], [1, 2, 3, 4]]])
    write_run(tmp_path / "a", ids, logits, ["folds.scheme=all"], task=FRUIT, labels=[0, 1, 2, 3])
    found, about = answers(str(tmp_path / "a"), tmp_path, heard, prior=prior)
    assert found == ["apple", "date"]
    assert about["decision"]["rule"] == "argmax"
    assert "no held-out images" in about["decision"]["why"]
    assert about["forecast"] == {
        "metric": "macro_f1",
        "value": None,
        "interval": None,
        "averaging": None,
    }
    assert about["prior"]["corrected"] == (prior != "none")
    for options in ({"decide": "tuned"}, {"prior": "estimated"}):
        with pytest.raises(
            UserError, match=r"is fitted on held-out images, and .* leave the option"
        ):
            answers(str(tmp_path / "a"), tmp_path, heard, **options)


def test_votes_have_no_decision(run: str, tmp_path: Path, heard: Heard) -> None:
    _, about = answers(run, tmp_path, heard, rule="vote")
    assert about["decision"]["rule"] == "argmax"
    assert "votes" in about["decision"]["why"]
    with pytest.raises(UserError, match="votes are no probabilities, which --decide tuned needs"):
        answers(run, tmp_path, heard, rule="vote", decide="tuned")
    with pytest.raises(UserError, match="which --prior estimated needs"):
        answers(run, tmp_path, heard, rule="vote_parts", prior="estimated")


def test_what_is_wrong_with_the_options_is_said(run: str, tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UserError, match="no such rule; there are argmax, tuned and auto"):
        answers(run, tmp_path, heard, decide="best")
    with pytest.raises(UserError, match="there is no such file; give none, estimated, or a CSV"):
        answers(run, tmp_path, heard, prior=str(tmp_path / "none.csv"))
    assert not (tmp_path / "s.csv").exists()


def test_probabilities_are_calibrated_where_that_is_better(tmp_path: Path, heard: Heard) -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(2, size=900)
    evidence = rng.normal(size=900) + 1.2 * (2 * labels - 1)
    logits = np.stack([np.zeros(900), 9 * evidence], axis=1)  # far too sure
    task = Task("skin", SKIN.parts, "log_loss", answers=Answers(("image", "p"), "probability:1"))
    ids = ["a.jpg", "b.jpg"]
    write_run(tmp_path / "a", ids, np.stack([logits[:2]] * 2), TWO, task=task, labels=[0, 1])
    names = [str(number) for number in range(900)]
    write_held_out(tmp_path / "a", labels, logits, names, np.arange(900) % 2)
    ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    about = json.loads((tmp_path / "s.csv.provenance.json").read_text())
    assert about["decision"]["rule"] == "calibrated"
    assert about["decision"]["held_out"] < about["decision"]["argmax"]
    assert about["decision"]["interval"][0] > 0
    probs = pd.read_csv(tmp_path / "s.csv")["p"].to_numpy()
    expected = 1 / (1 + np.exp(-2.4 * evidence[:2]))  # by Bayes' rule
    assert probs == pytest.approx(expected, abs=0.05)
    # Two eval images are drawn more unevenly than 900 groups; the forecast allows for it.
    assert about["forecast"]["value"] == pytest.approx(about["decision"]["held_out"], abs=0.005)
