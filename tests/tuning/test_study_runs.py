"""How far a study is, and how long the rest takes."""

from maskcls.tuning.study_runs import StudyRun, minutes, seconds_left


def run(change: str, seed: int, seconds: float | None) -> StudyRun:
    return StudyRun(f"{change}-s{seed}", change, seed, seconds is not None, False, seconds)


def test_the_time_left_is_that_of_the_same_change_else_of_all() -> None:
    runs = [run("base", 0, 10.0), run("a", 0, 30.0), run("b", 0, None), run("a", 1, None)]
    assert seconds_left(runs) == 20.0 + 30.0
    assert seconds_left([run("base", 0, None)]) is None
    assert seconds_left([run("base", 0, 5.0)]) == 0.0


def test_durations_in_words() -> None:
    assert [minutes(s) for s in (40, 720, 12600)] == ["40 s", "12 min", "3.5 h"]
