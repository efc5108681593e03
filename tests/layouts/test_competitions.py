"""Fourteen competitions' layouts: each is read, trains an epoch, and is answered in its own form."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.commands.check import check
from maskcls.commands.ensemble import ensemble
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit
from maskcls.data.task_file import parse_task
from tests.conftest import Heard
from tests.layouts import in_one_process
from tests.layouts.competitions import COMPETITIONS
from tests.layouts.drawn import SAMPLE, Expected

TINY = (
    "model.backbone=test_resnet", "image.size=32x32", "image.crop=fill", "train.batch_size=16",
    "train.epochs=1", "folds.scheme=holdout", "folds.share=0.5", "cluster.dashboard=false",
)  # fmt: skip
everyone = pytest.mark.parametrize("name", COMPETITIONS)


@pytest.fixture
def expected(name: str, tmp_path: Path) -> Expected:
    """Of the competition whose data is in tmp_path/data."""
    return COMPETITIONS[name](tmp_path / "data")


def test_there_are_fourteen() -> None:
    assert len(COMPETITIONS) == 14


@everyone
def test_its_task_file_is_understood(name: str, expected: Expected, tmp_path: Path) -> None:
    file = tmp_path / "data" / "task.toml"
    parsed = parse_task(file.read_bytes(), "task.toml")
    assert parsed.metric == expected.metric
    assert (parsed.group is not None) == (expected.groups is not None)
    assert parsed.answers.values.startswith(expected.values)
    assert parsed.answers.columns[0] == expected.header[0]
    with (tmp_path / "data" / SAMPLE).open(encoding="utf-8", newline="") as lines:
        sample = list(csv.reader(lines))
    assert tuple(sample[0]) == expected.header
    assert tuple(row[0] for row in sample[1:]) == expected.rows


@everyone
def test_check_finds_its_classes_groups_and_images(
    name: str, expected: Expected, tmp_path: Path, heard: Heard
) -> None:
    found = check(str(tmp_path / "data"), heard)
    assert found.exit_code == Exit.GOOD
    assert found.faults == {}
    table = found.table
    assert table.task.classes == expected.classes
    assert table.task.metric == expected.metric
    assert table.task.has_groups == (expected.groups is not None)
    assert len(table.images) == expected.images
    assert len(table.groups) == (expected.groups or expected.images)
    assert set(table.images["label"]) == set(range(len(expected.classes)))
    assert table.eval_images is not None
    assert table.eval_images["found"].all()
    assert len(table.eval_images) == len(expected.rows)


@pytest.mark.slow
@everyone
def test_it_trains_and_is_answered_in_its_form(
    name: str, expected: Expected, tmp_path: Path, heard: Heard
) -> None:
    # In this process, as the start of Ray's workers would take minutes; one is trained on Ray below.
    in_one_process.train(tmp_path / "data", tmp_path / "run", resolve("smoke", sets=[*TINY]), heard)
    _check_run_and_answers(tmp_path, expected, heard)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("name", ["siim_isic"])
def test_one_trains_on_ray(name: str, expected: Expected, tmp_path: Path, heard: Heard) -> None:
    config = resolve("smoke", sets=[*TINY])
    done = train(str(tmp_path / "data"), str(tmp_path / "run"), config, heard)
    assert done.exit_code == Exit.GOOD
    _check_run_and_answers(tmp_path, expected, heard)


def _check_run_and_answers(root: Path, expected: Expected, heard: Heard) -> None:
    run, out = root / "run", root / "answers.csv"
    assert ensemble([str(run)], str(out), heard).exit_code == Exit.GOOD

    scores = json.loads((run / "metrics.json").read_text())["oof"]
    assert scores["metric"] == expected.metric
    sign = -1 if expected.metric == "log_loss" else 1
    assert scores["score"] == pytest.approx(sign * scores[expected.metric])
    oof = pd.read_parquet(run / "oof.parquet")
    assert oof["image"].is_unique
    # Half of it: a worker takes longer to start than to train, and folds are tested elsewhere.
    assert 0.3 * expected.images < len(oof) < 0.7 * expected.images
    assert set(oof["fold"]) == {0}
    _check_answers(out, expected)


def _check_answers(file: Path, expected: Expected) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert tuple(header) == expected.header
    assert tuple(row[0] for row in rows) == expected.rows
    answers = [row[1:] for row in rows]
    if expected.values == "value":
        assert {value for (value,) in answers} <= set(expected.classes)
        return
    numbers = np.array(answers, dtype=np.float64)
    assert ((numbers >= 0) & (numbers <= 1)).all()
    assert len(np.unique(numbers[:, 0])) > 1
    if expected.values == "probabilities":
        np.testing.assert_allclose(numbers.sum(axis=1), 1, atol=1e-5)
