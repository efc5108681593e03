"""The sample of eval images is bounded, random, and the same each time."""

import numpy as np
import pytest

from maskcls.evaluation import eval_sample
from maskcls.evaluation.eval_sample import chosen_rows


def test_all_of_few_and_a_bounded_part_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_rows(500, 5, 18).tolist() == list(range(500))
    many = chosen_rows(1_000_000, 5, 18)
    assert len(many) == eval_sample.MOST_IMAGES
    assert (np.diff(many) > 0).all()
    assert many.tolist() == chosen_rows(1_000_000, 5, 18).tolist()
    assert abs(many.mean() / 500_000 - 1) < 0.05
    monkeypatch.setattr(eval_sample, "_MOST_VALUES", 9_000)
    assert len(chosen_rows(1_000_000, 5, 18)) == 100
