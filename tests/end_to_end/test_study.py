"""A study on a real Ray: runs as train makes them, resumed and extended, what fails is reported."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from maskcls.store.folder import Folder
from maskcls.tuning.study_record import read_study
from tests.end_to_end.job_factory import TINY, logits_of, maskcls

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_it_trains_what_train_would_and_resumes(
    finished: Path, drawn: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"

    def study(*words: str) -> Any:
        sets = [w for text in TINY for w in ("--set", text)]
        return maskcls("study", str(drawn), "--out", str(out), "--base", "smoke", *sets, *words)

    # A loss that is NaN at once: it is reported, and the others go on.
    asked = ["--change", "loss.name=focal", "--change", "optim.lr=1e30", "--seeds", "2"]
    first = study(*asked)
    assert first.returncode == 3, first.stderr
    assert "loss.name=focal" in first.stdout
    assert "degraded: optim.lr=1e+30-s0 failed" in first.stdout
    runs = ("base-s0", "loss.name=focal-s0", "base-s1", "loss.name=focal-s1")
    assert all((out / name / "metrics.json").is_file() for name in runs)
    # In processes that are kept, the numbers are those of train's, each in a new one.
    assert logits_of(out / "base-s0/oof.parquet") == logits_of(finished / "oof.parquet")
    splits = {(out / name / "folds.parquet").read_bytes() for name in runs}
    assert len(splits) == 1
    content = read_study(Folder.at(out))
    assert [(one.change, one.seeds) for one in content.results[:1]] == [("loss.name=focal", [0, 1])]
    assert "study.html" in {path.name for path in out.iterdir()}

    # Nothing is left but what failed, so without it no Ray starts; a lost metrics.json is made again.
    before = (out / "base-s1/metrics.json").stat().st_mtime_ns
    shutil.rmtree(out / "optim.lr=1e+30-s0")
    again = study("--change", "loss.name=focal", "--seeds", "2")
    assert again.returncode == 0, again.stderr
    assert (out / "base-s1/metrics.json").stat().st_mtime_ns == before
    assert "fold 0 starts" not in again.stderr

    planned = study("--change", "loss.name=focal", "--seeds", "3", "--dry-run")
    assert "2 of 6 runs would be trained; about" in planned.stdout
    assert not (out / "base-s2").exists()

    other = study("--set", "train.epochs=3", "--change", "loss.name=focal")
    assert other.returncode == 2
    assert "train.epochs: 2 there, 3 now" in other.stderr
    assert read(out / "study.json")["base"]["train"]["epochs"] == 2
