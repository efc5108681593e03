"""ensemble for tasks of any kind: each form of answers, a sample submission, answers by group."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from maskcls.commands.ensemble import ensemble
from maskcls.core.errors import Exit, UserError
from maskcls.core.task import Answers, Task
from maskcls.evaluation.ensembling import RULES, Rule
from maskcls.store import tables
from maskcls.store.folder import Folder
from maskcls.store.results import Sample
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.conftest import Heard
from tests.tasks import FRUIT, SKIN

IDS = ["c.jpg", "a.jpg", "b.jpg", "d.jpg"]
TWO = ["folds.count=2"]
GROUPS = ["P2", "P1", "P2", "P3"]
SAMPLE = Sample("data/sample.csv", ("target", "image_name"), "image_name", ("b", "c.jpg"))


def fruit(values: str, *columns: str) -> Task:
    return Task("fruit", FRUIT.parts, answers=Answers(columns, values))


def mean_probs(members: np.ndarray) -> np.ndarray:
    probs: np.ndarray = softmax(members.astype(np.float64).mean(axis=0), axis=1)
    return probs


def four(seed: int, classes: int = 4) -> np.ndarray:
    """Logits of two folds and the four images."""
    return np.random.default_rng(seed).normal(size=(2, 4, classes)).astype(np.float32)


def test_class_names_are_written_under_the_tasks_columns(tmp_path: Path, heard: Heard) -> None:
    write_run(tmp_path / "a", IDS, four(1), TWO, task=fruit("value", "file", "kind"))
    done = ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame) == ["file", "kind"]
    assert frame["file"].tolist() == IDS
    expected_classes = mean_probs(four(1)).argmax(axis=1)
    assert frame["kind"].tolist() == [FRUIT.classes[k] for k in expected_classes]
    assert done.provenance["task"] == {"name": "fruit", "classes": list(FRUIT.classes)}
    assert done.provenance["answers"] == {"columns": ["file", "kind"], "values": "value"}


@pytest.mark.parametrize("rule", ["logits", "probs"])
def test_probabilities_are_those_of_the_rule(rule: Rule, tmp_path: Path, heard: Heard) -> None:
    write_run(tmp_path / "a", IDS, four(2), TWO, task=fruit("probabilities", "id"))
    ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule)
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame) == ["id", *FRUIT.classes]
    probs = mean_probs(four(2))
    if rule == "probs":
        probs = softmax(four(2).astype(np.float64), axis=2).mean(axis=0)
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), probs, rtol=1e-14)


@pytest.mark.parametrize("rule", ["vote", "vote_parts"])
def test_votes_are_no_probabilities(rule: Rule, tmp_path: Path, heard: Heard) -> None:
    write_run(tmp_path / "a", IDS, four(2), TWO, task=fruit("probabilities", "id"))
    with pytest.raises(UserError, match=f"--rule {rule}: votes are no probabilities"):
        ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule)
    assert not (tmp_path / "s.csv").exists()


def test_an_image_without_logits_gets_the_training_shares(tmp_path: Path, heard: Heard) -> None:
    logits = four(3)
    logits[:, 1] = np.nan
    task = fruit("probabilities", "id")
    write_run(
        tmp_path / "a", IDS, logits, TWO, task=task, faults={"a.jpg": "cut"}, labels=[0, 1, 1, 3]
    )
    done = ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    assert done.exit_code == Exit.DEGRADED
    assert pd.read_csv(tmp_path / "s.csv").iloc[1, 1:].tolist() == [0.25, 0.5, 0, 0.25]
    assert done.provenance["fallback"]["probabilities"] == [0.25, 0.5, 0, 0.25]
    assert heard.warnings == [
        "a.jpg: cut; answered with the classes' shares of the training images"
    ]


def test_rows_and_header_are_those_of_the_sample(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = four(4, 2)
    logits[:, 3] = np.nan  # d.jpg, which the sample does not name
    write_run(tmp_path / "a", IDS, logits, TWO, task=SKIN, faults={"d.jpg": "cut"}, labels=[0, 1])
    with pytest.raises(UserError, match=r"sample\.json is missing, .*sample_submission\.csv"):
        ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    Run(Folder.at(tmp_path / "a")).write_sample(SAMPLE)
    monkeypatch.setattr(tables, "_GROUP_ROWS", 3)
    done = ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    frame = pd.read_csv(tmp_path / "s.csv")
    assert list(frame) == ["target", "image_name"]
    assert frame["image_name"].tolist() == ["b", "c.jpg"]
    np.testing.assert_allclose(frame["target"], mean_probs(logits)[[2, 0], 1], rtol=1e-14)
    assert done.exit_code == Exit.GOOD
    assert done.provenance["images"] == 2
    assert heard.warnings == [
        "data/sample.csv does not name a.jpg, d.jpg: left out of the submission"
    ]


def test_a_group_gets_the_mean_of_its_images(tmp_path: Path, heard: Heard) -> None:
    logits = four(5, 2)
    logits[:, [1, 2]] = np.nan
    faults = {"a.jpg": "cut", "b.jpg": "empty"}
    task = Task("skin", SKIN.parts, answers=Answers(("patient", "p"), "probability:1"))
    write_run(
        tmp_path / "a", IDS, logits, TWO, task=task, faults=faults, groups=GROUPS, labels=[0, 0, 1]
    )
    run, out = [str(tmp_path / "a")], str(tmp_path / "s.csv")
    done = ensemble(run, out, heard, by_group=True)
    frame = pd.read_csv(out)
    assert frame["patient"].tolist() == ["P2", "P1", "P3"]
    probs = mean_probs(logits)[:, 1]
    assert frame["p"].tolist() == pytest.approx([probs[0], 1 / 3, probs[3]])
    assert done.exit_code == Exit.DEGRADED
    assert done.provenance["fallback"]["images"] == {"P1": "no image could be decoded"}
    assert done.provenance["not_in_their_groups"] == {"b.jpg": "empty"}
    assert heard.warnings == [
        "P1: no image could be decoded; answered with the classes' shares of the training images",
        "b.jpg: empty; group P2 is answered without it",
    ]


@pytest.mark.parametrize("rule", RULES)
def test_groups_by_every_rule_and_with_a_sample_in_any_order(
    rule: Rule, tmp_path: Path, heard: Heard
) -> None:
    logits = four(6)
    task = fruit("value", "patient", "kind")
    folder = write_run(tmp_path / "a", IDS, logits, TWO, task=task, groups=GROUPS)
    sample = Sample("data/sample.csv", ("patient", "kind"), "patient", ("P3", "P2", "P1"))
    Run(folder).write_sample(sample)
    ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule, by_group=True)
    frame = pd.read_csv(tmp_path / "s.csv")
    assert frame["patient"].tolist() == ["P3", "P2", "P1"]
    wide = logits.astype(np.float64)
    probs = softmax(wide, axis=2).mean(axis=0)
    votes = np.eye(4)[logits.argmax(axis=2)].mean(axis=0) + 1e-6 * probs
    scores = {"logits": wide.mean(axis=0), "probs": probs}.get(rule, votes)
    means = [scores[[k for k in range(4) if GROUPS[k] == g]].mean(axis=0) for g in sample.images]
    assert frame["kind"].tolist() == [FRUIT.classes[int(m.argmax())] for m in means]
    with pytest.raises(UserError, match="'P3' names no eval image"):
        ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule)
