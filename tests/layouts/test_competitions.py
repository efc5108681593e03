"""Fourteen competitions' layouts: each is read, trains an epoch, and is answered in its own form."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.cluster import session
from maskcls.cluster.session import Session, ray_session
from maskcls.commands.check import check
from maskcls.commands.ensemble import ensemble
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit
from maskcls.data.task_file import parse_task
from tests.conftest import Heard
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


@pytest.fixture(scope="module")
def one_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Path]]:
    """A Ray for all fourteen, and its cache: starting it takes longer than training the folds."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        # Before those of the single test, which conftest sets, as this Ray outlives it.
        patch.setenv("MASKCLS_CACHE", str(cache))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHONSAFEPATH", "1")  # starting Ray sets it; here it is taken back
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_session(cache, False, Heard()) as started:
            yield started, cache


@pytest.fixture
def shared_ray(one_ray: tuple[Session, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """train uses that Ray, and leaves it running."""
    started, cache = one_ray

    @contextmanager
    def lend(*_: object) -> Iterator[Session]:
        yield started

    monkeypatch.setattr(session, "ray_session", lend)
    monkeypatch.setenv("MASKCLS_CACHE", str(cache))


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
@pytest.mark.ray
@everyone
def test_it_trains_and_is_answered_in_its_form(
    name: str, expected: Expected, tmp_path: Path, heard: Heard, shared_ray: None
) -> None:
    run, out = tmp_path / "run", tmp_path / "answers.csv"
    config = resolve("smoke", sets=[*TINY])
    assert train(str(tmp_path / "data"), str(run), config, heard).exit_code == Exit.GOOD
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
