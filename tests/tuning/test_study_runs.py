"""How far a study is, and how long the rest takes."""

from dataclasses import replace
from pathlib import Path

from maskcls.core.interval import Interval
from maskcls.store.results import Judged
from maskcls.tuning.study_runs import StudyRun, minutes, score_line, seconds_left
from tests.evaluation.oof_factory import write_held_out
from tests.statistics.made_up_runs import made_up_sides


def run(change: str, seed: int, seconds: float | None) -> StudyRun:
    return StudyRun(f"{change}-s{seed}", change, seed, seconds is not None, False, seconds)


def test_the_time_left_is_that_of_the_same_change_else_of_all() -> None:
    runs = [run("base", 0, 10.0), run("a", 0, 30.0), run("b", 0, None), run("a", 1, None)]
    assert seconds_left(runs) == 20.0 + 30.0
    assert seconds_left([run("base", 0, None)]) is None
    assert seconds_left([run("base", 0, 5.0)]) == 0.0


def test_durations_in_words() -> None:
    assert [minutes(s) for s in (40, 720, 12600)] == ["40 s", "12 min", "3.5 h"]


def test_a_finished_run_is_said_with_its_interval(tmp_path: Path) -> None:
    rows = made_up_sides(0, 20)[0][0]
    metrics = write_held_out(tmp_path / "a-s0", rows).metrics()
    assert metrics is not None
    assert metrics.oof is not None
    score, runs = metrics.oof.score.macro_f1, [run("a", 0, 30.0), run("b", 0, None)]
    about = "(1 of 2 runs, about 30 s left)"
    assert score_line("a-s0", metrics, runs) == f"a-s0: macro F1 {score:.4f} {about}"
    judged = Judged(Interval(0.95, 0.25, 0.5), "20 groups")
    sure = replace(metrics, oof=replace(metrics.oof, judged=judged))
    expected = f"a-s0: macro F1 {score:.4f} [0.2500, 0.5000] {about}"
    assert score_line("a-s0", sure, runs) == expected
