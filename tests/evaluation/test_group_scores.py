"""The score of means over groups, which `--by-group` answers with."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from maskcls.config.resolve import resolve
from maskcls.core.plain import from_plain, to_plain
from maskcls.evaluation.group_scores import GroupScores
from maskcls.statistics.intervals import interval_of
from maskcls.statistics.measures import measure_of
from maskcls.statistics.rows import Rows
from maskcls.store.record import Record
from maskcls.store.results import GroupScore
from maskcls.store.run import FOLDS, Run
from maskcls.store.tables import write_table
from tests.tasks import FRUIT, MASK, SKIN

NAMES, LABELS = ["a", "b", "a", "c", "c", "d"], [0, 1, 0, 1, 0, 1]
# Of group a one image is right and one wrong, the mean is right; c has two labels; d has no logits.
MARGIN = [1.0, -1.0, -3.0, 1.0, 1.0, np.nan]


def a_run(tmp_path: Path, task: object, scheme: str = "kfold") -> Run:
    run = Run.at(str(tmp_path / "run"))
    run.write_record(Record.new({}))
    run.write_config(resolve("smoke", sets=["folds.count=2", f"folds.scheme={scheme}"]))
    run.write_task(task)  # type: ignore[arg-type]
    folds = pd.DataFrame({"group": list("abcd"), "repeat": 0, "fold": [0, 1, 0, 1]})
    write_table(run.folder, FOLDS, folds)
    return run


def test_a_group_is_scored_by_the_mean_of_its_images(tmp_path: Path) -> None:
    scores = GroupScores.of(a_run(tmp_path, SKIN))
    assert scores is not None
    logits = np.array([[0.0, -m] for m in MARGIN])
    # In parts, as the table is read; the groups are not contiguous.
    for part in (slice(0, 2), slice(2, 6)):
        scores.add(
            pa.chunked_array([NAMES[part]]), pa.chunked_array([LABELS[part]]),
            logits[part].astype(np.float32),
        )  # fmt: skip
    found = scores.score()
    assert found is not None
    assert (found.groups, found.mixed) == (2, 1)
    # Margins for class 1: group a has the mean of -1 and 3, group b has 1; both count as class 1.
    assert found.metrics["accuracy"] == pytest.approx(0.5)
    assert found.metrics["auc"] == pytest.approx(0.5)
    assert found.score == found.metrics["auc"]


@pytest.mark.parametrize(("task", "scheme"), [(FRUIT, "kfold"), (MASK, "kfold"), (SKIN, "image")])
def test_where_a_group_cannot_have_one_answer_there_is_no_score(
    tmp_path: Path, task: object, scheme: str
) -> None:
    assert GroupScores.of(a_run(tmp_path, task, scheme)) is None


def test_groups_of_several_labels_alone_have_no_score(tmp_path: Path) -> None:
    scores = GroupScores.of(a_run(tmp_path, SKIN))
    assert scores is not None
    scores.add(
        pa.chunked_array([["a", "a"]]), pa.chunked_array([[0, 1]]), np.zeros((2, 2), np.float32)
    )
    assert scores.score() is None


def test_the_score_of_groups_has_an_interval_over_groups(tmp_path: Path) -> None:
    run = a_run(tmp_path, SKIN)
    names = [f"g{n}" for n in range(60)]
    write_table(run.folder, FOLDS, pd.DataFrame({"group": names, "repeat": 0, "fold": 0}))
    scores = GroupScores.of(run)
    assert scores is not None
    labels = np.repeat(np.arange(60) % 2, 3)
    logits = np.random.default_rng(0).normal(size=(180, 2)).astype(np.float32)
    logits[np.arange(180), labels] += 1
    scores.add(pa.chunked_array([np.repeat(names, 3)]), pa.chunked_array([labels]), logits)
    found = scores.score()
    assert found is not None
    means = logits.reshape(60, 3, 2).mean(axis=1).astype(np.float64)
    alone = np.arange(60)
    rows = Rows(labels[::3], means, alone, alone)
    (expected,) = interval_of(measure_of(SKIN, rows), 60, shares=True)
    assert found.interval is not None
    assert found.score is not None
    assert found.interval.low < found.score < found.interval.high
    assert found.interval.low == pytest.approx(expected.low, abs=1e-6)
    assert from_plain(GroupScore, to_plain(found)) == found
    older = {name: value for name, value in to_plain(found).items() if name != "interval"}
    assert from_plain(GroupScore, older).interval is None
