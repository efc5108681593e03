"""AUC of many rows is computed from placement values, which agrees with ranking each resample."""

import numpy as np
import pytest

from maskcls.core.tally import ranks_of
from maskcls.core.task import Task
from maskcls.statistics import areas
from maskcls.statistics.areas import auc_of
from maskcls.statistics.resampling import draws
from tests.statistics.drawn import EVERY_METRIC, TWO_CLASSES, drawn


@pytest.mark.parametrize("task", [EVERY_METRIC, TWO_CLASSES], ids=["four classes", "two classes"])
def test_placement_values_give_what_ranking_gives(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = drawn(task, 600)
    given = rows.labels, ranks_of(rows.logits), rows.groups, task.num_classes
    exact = auc_of(*given)
    monkeypatch.setattr(areas, "_EXACT", 0)
    approximate = auc_of(*given)
    once = np.ones((1, 600))
    assert approximate(once) == pytest.approx(exact(once), abs=1e-12)
    weights = next(draws(600, 60))
    one, two = exact(weights), approximate(weights)
    assert np.abs(one - two).max() < 0.2 * one.std()
    assert two.std() == pytest.approx(one.std(), rel=0.03)


@pytest.mark.parametrize("most", [0, 20_000], ids=["placement values", "ranking"])
def test_resamples_of_one_class_have_no_auc(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(areas, "_EXACT", most)
    labels, groups = np.array([0, 0, 1]), np.array([0, 1, 2])
    ranks = np.array([0.1, 0.3, 0.2], np.float32)
    at = auc_of(labels, ranks, groups, 2)
    found = at(np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3], [2, 0, 1]]))
    assert found[[0, 3]].tolist() == [0.5, 1.0]
    assert np.isnan(found[1:3]).all()
    assert np.isnan(auc_of(np.zeros(3, int), ranks, groups, 2)(np.ones((1, 3)))).all()
