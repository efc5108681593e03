"""Members of an ensemble chosen by their held-out images, through the command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from maskcls.cli.selection_text import selection_lines
from maskcls.commands.ensemble import ensemble
from maskcls.core.errors import UserError
from maskcls.core.task import Task
from maskcls.evaluation.held_out import read_held_out
from maskcls.evaluation.members import Member, read_members
from maskcls.evaluation.selected import choose_members
from maskcls.store.run import Run
from tests.conftest import Heard
from tests.evaluation.held_out_runs import write_held_out_run
from tests.statistics.answers_factory import made_up
from tests.tasks import FRUIT


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "s.csv")


def write_runs(
    folder: Path, strengths: Sequence[float], weak_fold: bool = False, task: Task = FRUIT
) -> list[str]:
    """Run n answers class n of the eval images."""
    answers = made_up(strengths, people=100)
    folds = answers.groups % 5
    images = [f"{n}.jpg" for n in range(len(answers.labels))]
    found = []
    for number, logits in enumerate(answers.values):
        if weak_fold and number == 0:
            logits[folds == 3] -= 1.5 * np.eye(4, dtype=np.float32)[answers.labels[folds == 3]]
        at = folder / f"run{number}"
        names = [f"p{g:03}" for g in answers.groups]
        write_held_out_run(
            at, images, names, answers.labels, logits, folds, task, eval_class=number
        )
        found.append(str(at))
    return found


def entry(provenance: dict[str, Any], name: str) -> Any:
    return provenance[name]


def test_greedy_leaves_noise_out_and_the_submission_is_of_the_rest(
    tmp_path: Path, out: str, heard: Heard
) -> None:
    runs = write_runs(tmp_path, [0.0, 0.0, 0.0, 2.0])
    done = ensemble(runs, out, heard, select="greedy")
    found = entry(done.provenance, "selection")
    assert found["used"] == found["method"] == "greedy"
    assert found["weights"][runs[3]] >= 50
    assert sum(found["weights"].values()) == 100
    low, high = found["interval_over_mean"]
    assert 0 < low < found["gain_over_mean"] < high
    assert found["in_sample"]["gain_over_mean"] > 0
    used = [run for run, weight in found["weights"].items() if weight]
    assert [run["run"] for run in done.provenance["runs"]] == used
    assert done.provenance["weights"] == [found["weights"][run] for run in used]
    comparison = done.provenance["comparison"]
    assert comparison["in_sample"] is True
    assert comparison["best_member"]["run"] in used
    # Written as the same weights by hand would write it.
    weights = [found["weights"][run] for run in used]
    by_hand = str(tmp_path / "by_hand.csv")
    ensemble(used, by_hand, heard, weights=weights)
    assert Path(out).read_bytes() == Path(by_hand).read_bytes()
    assert pd.read_csv(out)["label"].unique().tolist() == [FRUIT.classes[3]]
    text = "\n".join(selection_lines(done.provenance))
    assert "greedy selection among 4 runs by macro F1 on 400 held-out images of 100 groups" in text
    assert "over the mean of all runs; in sample +0." in text
    assert f"{runs[3]} {found['weights'][runs[3]]}" in text


def test_runs_that_are_alike_stay_the_mean_of_all(tmp_path: Path, out: str, heard: Heard) -> None:
    runs = write_runs(tmp_path, [1.0, 1.0])
    done = ensemble(runs, out, heard, select="greedy")
    assert entry(done.provenance, "selection")["used"] == "mean"
    assert done.provenance["weights"] is None
    assert len(done.provenance["runs"]) == 2
    plain = str(tmp_path / "plain.csv")
    without = ensemble(runs, plain, heard).provenance
    assert Path(out).read_bytes() == Path(plain).read_bytes()
    assert "selection" not in without
    assert without["comparison"] == done.provenance["comparison"]
    assert "does not lie above 0, so the mean of all is" in "\n".join(
        selection_lines(done.provenance)
    )


@pytest.mark.parametrize("rule", ["logits", "probs", "vote"])
def test_an_ensemble_is_compared_with_its_best_member(
    rule: Any, tmp_path: Path, out: str, heard: Heard
) -> None:
    runs = write_runs(tmp_path, [1.5, 1.0, 0.0])
    found = entry(ensemble(runs, out, heard, rule=rule, weights=[1, 1, 9]).provenance, "comparison")
    assert found["best_member"]["run"] == runs[0]
    assert found["interval"][0] < found["gain"] < found["interval"][1] < 0
    assert found["gain"] == pytest.approx(found["ensemble"] - found["best_member"]["score"])
    assert [one["run"] for one in found["harmful_runs"]] == [runs[2]]
    text = "\n".join(selection_lines({"comparison": found}))
    assert f"{runs[0]} alone is better than the ensemble" in text
    assert f"{runs[2]} makes it worse: without it" in text


def test_a_weak_fold_is_named_and_stays(tmp_path: Path, out: str, heard: Heard) -> None:
    (run,) = write_runs(tmp_path, [2.0], weak_fold=True)
    done = ensemble([run], out, heard)
    found = entry(done.provenance, "comparison")
    assert [(one["run"], one["repeat"], one["fold"]) for one in found["low_folds"]] == [(run, 0, 3)]
    assert len(done.provenance["members"]) == 5
    (line,) = selection_lines(done.provenance)
    assert line.startswith(f"{run} fold 3: 0.")


def test_a_log_loss_gains_where_it_falls(tmp_path: Path, out: str, heard: Heard) -> None:
    task = Task("fruit", FRUIT.parts, "log_loss")
    runs = write_runs(tmp_path, [1.5, 0.0], task=task)
    found = entry(ensemble(runs, out, heard).provenance, "comparison")
    assert found["gain"] == pytest.approx(found["best_member"]["score"] - found["ensemble"])
    low, high = found["ensemble_interval"]
    assert 0 < low < found["ensemble"] < high
    assert [one["run"] for one in found["harmful_runs"]] == [runs[1]]
    votes = ensemble(runs, out, heard, rule="vote").provenance
    assert list(entry(votes, "comparison")) == ["low_folds"]
    with pytest.raises(UserError, match="votes are no probabilities, which log loss needs"):
        ensemble(runs, out, heard, rule="vote", select="greedy")


def of_people(folder: Path) -> list[Member]:
    """Two runs: the errors of the first are of people, those of the second of images, and larger."""
    rng = np.random.default_rng(2)
    people = np.repeat(np.arange(150), 4)
    labels = rng.integers(4, size=150)[people]
    truth = 1.6 * np.eye(4)[labels]
    errors = rng.normal(size=(150, 4))[people], 1.3 * rng.normal(size=(600, 4))
    images, names = [f"{n}.jpg" for n in range(600)], [f"p{n}" for n in people]
    runs = [
        write_held_out_run(
            folder / f"run{number}",
            images,
            names,
            labels,
            (truth + one).astype(np.float32),
            people % 5,
        )
        for number, one in enumerate(errors)
    ]
    return read_members(runs, allow_missing=False)


@pytest.mark.parametrize("rule", ["logits", "probs"])
def test_where_groups_are_answered_members_are_chosen_by_groups(rule: Any, tmp_path: Path) -> None:
    members = of_people(tmp_path)
    first, second = (str(member.run) for member in members)
    by_image = choose_members(members, rule, None, "greedy").about["selection"]
    chosen = choose_members(members, rule, None, "greedy", by_group=True)
    found = chosen.about["selection"]
    assert (by_image["best"], found["best"]) == (first, second)
    assert found["weights"][second] > by_image["weights"][second]
    assert (found["groups"], found["groups_of_several_labels"]) == (150, 0)
    # The comparison is of what an answer by group is made of.
    plain = choose_members(members, rule, None, by_group=True).about["comparison"]
    logits = np.stack([read_held_out(member.run).rows.logits for member in members]).astype(float)
    values = softmax(logits, axis=2) if rule == "probs" else logits
    means = values.mean(axis=0).reshape(150, 4, 4).mean(axis=1)
    labels = read_held_out(members[0].run).rows.labels[::4]
    expected = f1_score(labels, means.argmax(axis=1), average="macro")
    assert plain["ensemble"] == pytest.approx(expected)
    low, high = plain["ensemble_interval"]
    assert low < plain["ensemble"] < high
    low, high = plain["best_member"]["interval"]
    assert low < plain["best_member"]["score"] < high
    (line,) = selection_lines({"comparison": plain})
    assert f"{plain['ensemble']:.4f} [" in line
    assert "on the means of 150 groups in 600 held-out images" in line


def test_where_no_group_has_one_label_groups_are_not_compared(tmp_path: Path) -> None:
    runs = [Run.at(run) for run in write_runs(tmp_path, [1.0, 1.0])]
    members = read_members(runs, allow_missing=False)
    kept = choose_members(members, "logits", None, by_group=True).about["comparison"]
    assert kept["groups"] + kept["groups_of_several_labels"] == 100
    for run in runs:
        oof = pd.read_parquet(Path(run.folder.location) / "oof.parquet")
        oof["group"] = [f"p{n % 2}" for n in range(len(oof))]
        oof.to_parquet(Path(run.folder.location) / "oof.parquet")
    found = choose_members(members, "logits", None, by_group=True).about["comparison"]
    assert found["why"] == "no group's held-out images have one label"
    assert list(selection_lines({"comparison": found})) == []
    with pytest.raises(UserError, match="of no group whose images have one label; two are needed"):
        choose_members(members, "logits", None, "greedy", by_group=True)


def test_what_cannot_be_selected_is_refused_at_once(tmp_path: Path, out: str, heard: Heard) -> None:
    runs = write_runs(tmp_path, [1.0, 1.0])
    with pytest.raises(UserError, match="--select greedy chooses the runs' weights; leave"):
        ensemble(runs, out, heard, weights=[1, 2], select="greedy")
    with pytest.raises(UserError, match="--select greedy chooses among several runs"):
        ensemble(runs[:1], out, heard, select="greedy")
    with pytest.raises(UserError, match="--select best: no such selection"):
        ensemble(runs, out, heard, select="best")  # type: ignore[arg-type]
    (tmp_path / "run1" / "oof.parquet").unlink()
    with pytest.raises(UserError, match="not all of its folds are done"):
        ensemble(runs, out, heard, select="greedy")
    assert not Path(out).exists()
    # Without a selection it is no error, and said.
    found = entry(ensemble(runs, out, heard).provenance, "comparison")
    assert "not all of its folds are done" in found["why"]
