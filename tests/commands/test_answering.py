"""The rows of a submission and what its provenance says of them; more forms: test_ensemble_answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from maskcls.commands.answering import Answering
from maskcls.core.errors import UserError
from maskcls.core.task import Answers, Task
from maskcls.evaluation.decided import Asked
from maskcls.evaluation.members import read_members
from maskcls.evaluation.pooled import Combining
from maskcls.store.results import Sample
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.conftest import Heard
from tests.tasks import FRUIT

IDS = ["c.jpg", "a.jpg", "b.jpg", "d.jpg"]
GROUPS = ["P2", "P1", "P2", "P3"]
CLASSES = Task("fruit", FRUIT.parts, answers=Answers(("id", "kind"), "class"))
PROBS = Task("fruit", FRUIT.parts, answers=Answers(("id",), "probabilities"))
LOGITS = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)


def run_of(folder: Path, task: Task = CLASSES, lost: tuple[int, ...] = ()) -> Run:
    """A run of two folds; lost: numbers of the images that could not be decoded."""
    logits = LOGITS.copy()
    logits[:, list(lost)] = np.nan
    faults = {IDS[number]: "cut off" for number in lost}
    made = write_run(
        folder, IDS, logits, ["folds.count=2"], task=task, faults=faults, groups=GROUPS,
        labels=[0, 1, 1, 3],
    )  # fmt: skip
    return Run(made)


def answering(run: Run, heard: Heard, rule: str = "logits", by_group: bool = False) -> Answering:
    members = read_members([run], allow_missing=False)
    how = Combining(rule, None, by_group)  # type: ignore[arg-type]
    return Answering(members, how, Asked("argmax"), heard)


def filled(work: Answering, folder: Path) -> pd.DataFrame:
    work.fill(folder / "out.csv")
    return pd.read_csv(folder / "out.csv")


def test_the_rows_are_the_largest_means_in_the_images_order(tmp_path: Path, heard: Heard) -> None:
    work = answering(run_of(tmp_path / "a"), heard)
    frame = filled(work, tmp_path)
    assert frame["id"].tolist() == IDS
    assert frame["kind"].tolist() == LOGITS.mean(axis=0).argmax(axis=1).tolist()
    assert not work.is_degraded
    found = work.provenance(None)
    assert (found["images"], found["fallback"]["images"]) == (4, {})
    assert found["rule"].endswith("; the largest wins")
    assert found["decision"]["rule"] == "argmax"


def test_a_lost_image_gets_the_most_frequent_class_and_is_named(
    tmp_path: Path, heard: Heard
) -> None:
    work = answering(run_of(tmp_path / "a", lost=(1,)), heard)
    assert filled(work, tmp_path)["kind"].tolist()[1] == 1
    assert work.is_degraded
    assert work.provenance(None)["fallback"] == {
        "class": 1, "name": "banana", "images": {"a.jpg": "cut off"},
    }  # fmt: skip
    work.warn_of_lost()
    assert heard.warnings == ["a.jpg: cut off; answered with class 1 (banana)"]


def test_a_lost_image_of_probabilities_gets_the_training_shares(
    tmp_path: Path, heard: Heard
) -> None:
    work = answering(run_of(tmp_path / "a", PROBS, lost=(3,)), heard)
    frame = filled(work, tmp_path)
    assert frame.iloc[3, 1:].tolist() == [0.25, 0.5, 0.0, 0.25]
    found = work.provenance(None)
    assert found["fallback"]["probabilities"] == [0.25, 0.5, 0.0, 0.25]
    assert found["rule"].endswith("; as probabilities")


@pytest.mark.parametrize("rule", ["logits", "probs"])
def test_a_groups_answer_is_the_mean_of_its_images_by_the_rule(
    rule: str, tmp_path: Path, heard: Heard
) -> None:
    frame = filled(answering(run_of(tmp_path / "a", PROBS), heard, rule, True), tmp_path)
    assert frame["id"].tolist() == ["P2", "P1", "P3"]  # as they turn up
    logits = LOGITS.astype(np.float64)
    images = softmax(logits, axis=2).mean(axis=0) if rule == "probs" else logits.mean(axis=0)
    mean = images[[0, 2]].mean(axis=0)
    expected = mean if rule == "probs" else softmax(mean)
    np.testing.assert_allclose(frame.iloc[0, 1:].to_numpy(float), expected, rtol=1e-12)


def test_a_group_is_answered_without_its_lost_image_and_says_so(
    tmp_path: Path, heard: Heard
) -> None:
    work = answering(run_of(tmp_path / "a", lost=(0, 3)), heard, by_group=True)
    frame = filled(work, tmp_path)
    assert frame["kind"].tolist()[0] == LOGITS[:, 2].mean(axis=0).argmax()
    found = work.provenance(None)
    assert found["not_in_their_groups"] == {"c.jpg": "cut off"}
    assert found["fallback"]["images"] == {"P3": "no image could be decoded"}
    work.warn_of_lost()
    assert heard.warnings[1] == "c.jpg: cut off; group P2 is answered without it"


def test_a_sample_gives_order_names_and_rows(tmp_path: Path, heard: Heard) -> None:
    run = run_of(tmp_path / "a", lost=(1,))
    run.write_sample(Sample("sample.csv", ("id", "kind"), "id", ("b.jpg", "a.jpg")))
    work = answering(run, heard)
    frame = filled(work, tmp_path)
    assert frame["id"].tolist() == ["b.jpg", "a.jpg"]
    assert frame["kind"].tolist() == [LOGITS[:, 2].mean(axis=0).argmax(), 1]
    (warning,) = heard.warnings
    assert warning.startswith("sample.csv does not name c.jpg")
    assert work.provenance(None)["fallback"]["images"] == {"a.jpg": "cut off"}


def test_a_run_whose_sample_is_gone_is_refused(tmp_path: Path, heard: Heard) -> None:
    answers = Answers(("id", "kind"), "class", "sample.csv")
    task = Task("fruit", FRUIT.parts, answers=answers)
    with pytest.raises(UserError, match="json is missing, which holds the rows"):
        answering(run_of(tmp_path / "a", task), heard)


def test_votes_are_no_probabilities(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UserError, match="votes are no probabilities"):
        answering(run_of(tmp_path / "a", PROBS), heard, "vote")
