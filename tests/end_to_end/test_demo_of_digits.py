"""`maskcls demo --task digits`: real pictures in folders of classes, to a scored submission."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.job_factory import maskcls

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_the_digits_are_learned_and_the_submission_is_about_each_image(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = maskcls("demo", "--quick", "--task", "digits", "--out", str(out))
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "run" / "metrics.json").read_text())["oof"]
    # One digit alone would give 0.02, and a nearest neighbour 0.99.
    assert metrics["metric"] == "macro_f1"
    assert metrics["score"] == metrics["macro_f1"] > 0.5
    task = json.loads((out / "run" / "task.json").read_text())
    assert task["classes"] == [str(digit) for digit in range(10)]
    oof = pd.read_parquet(out / "run" / "oof.parquet")
    assert len(oof) == 1442
    assert oof["image"].is_unique
    # Without groups, each image is its own.
    assert oof["group"].tolist() == oof["image"].tolist()
    answers = pd.read_csv(out / "submission.csv").set_index("image")["label"]
    truth = pd.read_csv(out / "data" / "truth.csv").set_index("image")["label"]
    assert sorted(answers.index) == sorted(truth.index)
    assert (answers.loc[truth.index] == truth).mean() > 0.5
    again = maskcls("demo", "--quick", "--task", "digits", "--out", str(out))
    assert again.returncode == 0, again.stderr
    assert "trained by an earlier demo" in again.stdout
