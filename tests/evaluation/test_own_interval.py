"""The interval of a setting's own score: a run's own one, else by groups over its seeds."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from maskcls.core.interval import Interval
from maskcls.evaluation.own_interval import own_interval
from maskcls.statistics.rows import Rows
from maskcls.store.results import Judged
from maskcls.store.run import Run
from tests.evaluation.oof_factory import write_held_out
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT


def _judged(at: Path, rows: Rows, interval: Interval | None) -> Run:
    run = write_held_out(at, rows)
    metrics = run.metrics()
    assert metrics is not None
    assert metrics.oof is not None
    run.write_metrics(
        replace(metrics, oof=replace(metrics.oof, judged=Judged(interval, "40 groups")))
    )
    return run


def test_of_a_single_run_it_is_that_of_its_metrics(tmp_path: Path):
    (rows,), _ = made_up_sides(0, 40)
    own = Interval(0.95, 0.25, 0.5)
    run = _judged(tmp_path / "a", rows, own)
    assert own_interval(FRUIT, [run], [rows], True) == own
    assert own_interval(FRUIT, [_judged(tmp_path / "b", rows, None)], [rows], True) is None
    # Of other rows it is another one.
    assert own_interval(FRUIT, [run], [rows], False) not in (None, own)


def test_of_several_seeds_it_is_of_their_mean(tmp_path: Path):
    seeds, _ = made_up_sides(0, 40, seeds=3)
    own = Interval(0.95, 0.25, 0.5)
    runs = [_judged(tmp_path / f"{seed}", rows, own) for seed, rows in enumerate(seeds)]
    found = own_interval(FRUIT, runs, seeds, True)
    assert found is not None
    assert found != own
    scores = [m.oof.score.score for run in runs if (m := run.metrics()) and m.oof]
    assert found.low < np.mean([s for s in scores if s is not None]) < found.high


def test_a_score_that_no_resample_changes_has_none(tmp_path: Path):
    (rows,), _ = made_up_sides(0, 40)
    right = rows.with_logits(9 * np.eye(4, dtype=np.float32)[rows.labels])
    run = write_held_out(tmp_path / "a", right)
    assert own_interval(FRUIT, [run], [right], False) is None
