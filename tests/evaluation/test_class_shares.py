"""Class shares of a run's training images."""

from pathlib import Path

import numpy as np
import pytest

from maskcls.evaluation.class_shares import class_shares
from maskcls.store import tables
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.tasks import FRUIT


def test_shares_are_counted_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_GROUP_ROWS", 2)
    labels = [0, 1, 1, 3, 1]
    write_run(tmp_path / "a", ["a"], np.zeros((1, 1, 4)), task=FRUIT, labels=labels, done=())
    assert class_shares(Run.at(str(tmp_path / "a"))).tolist() == [0.2, 0.6, 0, 0.2]
