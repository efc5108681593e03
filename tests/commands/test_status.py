"""What `maskcls status` says of a run's folder, whoever works on it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from maskcls.cli.main import main
from maskcls.cli.status_text import lines_of
from maskcls.commands.status import RunStatus, run_status, runs_in, status
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.core.interval import Interval
from maskcls.core.plain import to_plain
from maskcls.core.tally import score_predictions
from maskcls.store.folder import Folder
from maskcls.store.results import Metrics, OutOfFold
from maskcls.store.run import Run
from maskcls.store.tables import write_table
from maskcls.tuning.search_record import SearchContent
from maskcls.tuning.trials import FinalScore, Trial, write_trial
from tests.record_factory import epochs, heartbeat, record, result
from tests.tasks import MASK, SKIN


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three folds: one done, one at work, one that nobody has begun."""
    run = Run(Folder.at(tmp_path / "run"))
    run.write_config(resolve("smoke", sets=["folds.count=3", "train.epochs=4"]))
    run.write_task(MASK)
    done, busy = (run.fold(fold) for fold in range(2))
    done.write_history(epochs(0.5, 0.75))
    done.write_result(result(0))
    busy.write_history(epochs(0.5))
    beat = heartbeat(host="", epoch=2, step=3, steps=9, images_per_s=123.4, left_s=75.0)
    busy.write_heartbeat(beat)
    return run


def write_search(folder: Folder, seconds: float, *starts: dict[str, Any]) -> None:
    """A search's record."""
    content = SearchContent(**vars(record(*starts)), seconds=seconds)
    folder.write_json("search.json", to_plain(content))


def metrics_of(score: float | None) -> Metrics:
    """A run's metrics with this out-of-fold score, or none."""
    labels = np.arange(18)
    known = replace(score_predictions(MASK, labels, labels), score=score)
    return Metrics(None if score is None else OutOfFold(known, 18, 0), [])


def test_each_fold_shows_what_its_folder_tells(run: Run) -> None:
    found = status(run.folder.location)
    assert [state.phase for state in found.folds] == ["done", "training", "waiting"]
    assert (found.done, found.score, found.left_s) == (1, None, 75.0)
    assert found.workers[1].pid == 7
    lines = lines_of([found])
    assert lines[2].split() == ["0", "done", "2/4", "90", "1.250", "0.7500", "1", "-"]
    assert lines[3].split() == ["1", "training", "2/4", "123", "1.250", "0.5000", "2", "1:15"]
    assert lines[4].split() == ["2", "waiting", "0/4", "-", "-", "-", "1", "-"]
    assert lines[-1] == "1 of 3 folds are done"


def test_a_run_without_its_task_has_not_begun(tmp_path: Path) -> None:
    run = Run(Folder.at(tmp_path / "run"))
    run.write_config(resolve("smoke", sets=["folds.count=3"]))
    assert [state.phase for state in run_status(run.folder).folds] == ["waiting"] * 3
    write_table(run.folder, "folds.parquet", pa.table({"fold": [0]}))
    assert main(["status", run.folder.location]) == 2


@pytest.mark.parametrize(("code", "name"), [(1, "failure"), (130, "interrupted")])
def test_a_run_whose_command_has_ended_is_over(run: Run, code: int, name: str) -> None:
    start = {
        "started": "2026-11-24T00:00:00+00:00", "ended": "2026-11-25T00:00:00+00:00",
        "exit_code": code, "host": "h",
    }  # fmt: skip
    run.write_record(record(start))
    found = run_status(run.folder)
    assert found.over
    assert [state.phase for state in found.folds] == ["done", "stopped", "waiting"]
    assert found.left_s is None
    assert lines_of([found])[-2:] == [
        "1 of 3 folds are done",
        f"its command ended with exit code {code} ({name}); the same command resumes",
    ]
    # A new one has begun.
    again = start | {"ended": None, "exit_code": None}
    run.write_record(record(start, again))
    found = run_status(run.folder)
    assert not found.over
    assert found.folds[1].phase == "training"


def test_what_was_told_to_an_earlier_command_is_not_shown_as_todays(run: Run) -> None:
    # Gone on with after a day: fold 1 waits for its turn, its progress.json is yesterday's.
    run.fold(1).write_heartbeat(heartbeat(86_400, phase="training", epoch=2, left_s=75.0))
    started = (datetime.now(UTC) - timedelta(seconds=30)).isoformat(timespec="seconds")
    start = {"started": started, "ended": None, "exit_code": None, "host": "h"}
    run.write_record(record(start))
    found = run_status(run.folder)
    assert [state.phase for state in found.folds] == ["done", "waiting", "waiting"]
    assert (found.left_s, found.folds[1].note) == (None, "")
    assert found.workers[1].pid is None
    assert len(found.folds[1].history) == 1
    run.fold(1).write_heartbeat(heartbeat(phase="training", epoch=2, left_s=75.0))
    assert run_status(run.folder).folds[1].phase == "training"


def test_without_a_name_those_right_here_are_shown(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 2  # a run has a record, too; this could be anything
    assert "name one" in capsys.readouterr().err
    run.write_record(record())
    search = Folder.at(tmp_path / "search")
    write_search(search, 60.0, {"ended": None})
    assert main(["status"]) == 0
    reported = capsys.readouterr().out
    assert "1 of 3 folds are done" in reported
    assert "0 trials, 0 running, 1:00 spent" in reported


def test_a_folder_that_may_not_be_read_is_passed_over(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.folder.local_path.parent / "private").mkdir()
    exists = Folder.exists

    def refused(folder: Folder, name: str = "") -> bool:
        if folder.location.endswith("private"):
            raise UserError("private: no permission to read here.")
        return exists(folder, name)

    monkeypatch.setattr(Folder, "exists", refused)  # root, who may run this, may read everything
    run.write_record(record())
    reported: list[str] = []
    assert runs_in(Folder.at(run.folder.local_path.parent), reported.append) == [
        run.folder.location
    ]
    (text,) = reported
    assert text.endswith("private is skipped: private: no permission to read here.")


def test_a_silent_fold_is_shown_as_silent(run: Run) -> None:
    run.fold(1).write_heartbeat(heartbeat(500, phase="training", epoch=2, left_s=75.0))
    found = status(run.folder.location)
    assert "has reported nothing for 50" in found.folds[1].note
    assert found.left_s is None


def test_a_fold_that_is_done_is_never_silent(run: Run) -> None:
    run.fold(0).write_heartbeat(heartbeat(10**6, phase="predicting"))
    assert status(run.folder.location).folds[0].note == ""


def test_several_runs_have_a_line_each(run: Run) -> None:
    run.write_metrics(metrics_of(0.4321))
    lines = lines_of([status(run.folder.location)] * 2)
    assert len(lines) == 3
    assert lines[1].split()[1:] == ["1/3", "0.4321", "1:15"]


def test_intervals_have_a_column_of_their_own(run: Run) -> None:
    found = status(run.folder.location)
    assert isinstance(found, RunStatus)
    known = replace(found, score=0.4321, interval=Interval(0.95, 0.4, 0.46))
    head, *rows = lines_of([known, found])
    assert head.split() == ["run", "folds", "macro", "F1", "95", "%", "left"]
    assert rows[0].split()[2:] == ["0.4321", "[0.4000,", "0.4600]", "1:15"]
    assert rows[1].split()[2:] == ["-", "-", "1:15"]
    assert rows[0].index("[") == rows[1].rindex("-") == head.index("95 %")
    assert lines_of([known])[-1].endswith("macro F1 0.4321, 95 % interval [0.4000, 0.4600]")


def test_another_metric_is_shown_under_its_name_and_with_its_own_sign(run: Run) -> None:
    other = Run(run.folder.child("other"))
    other.write_config(run.config)
    other.write_task(replace(SKIN, metric="log_loss"))
    other.fold(0).write_history(epochs(-0.75, -0.35, -0.5))
    other.fold(0).write_result(result(0, -0.35))
    known = score_predictions(other.task, [0, 1], [0, 1], [[0.5, 0.5]] * 2)
    other.write_metrics(Metrics(OutOfFold(known, 2, 0), []))
    lines = lines_of([status(other.folder.location)])
    assert "loss  log loss  try" in lines[1]
    assert lines[2].split()[:6] == ["0", "done", "3/4", "90", "1.250", "0.3500"]
    assert lines[-1] == "1 of 3 folds are done, out-of-fold log loss 0.6931"
    # Runs of several metrics are not in one column without saying so.
    run.write_metrics(metrics_of(0.4321))
    head, *rows = lines_of([status(one.folder.location) for one in (run, other)])
    assert head.split() == ["run", "folds", "score", "left"]
    assert [row.split()[2:] for row in rows] == [
        ["0.4321", "1:15", "macro", "F1"], ["0.6931", "-", "log", "loss"],
    ]  # fmt: skip


def test_a_run_without_a_score_has_none(run: Run) -> None:
    run.write_metrics(metrics_of(None))
    assert status(run.folder.location).score is None


def test_the_command_prints_lines_or_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", run.folder.location]) == 0
    assert "1 of 3 folds are done" in capsys.readouterr().out
    assert main(["status", run.folder.location, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["folds"][1]["history"][0]["score"] == 0.5
    assert (found["metric"], found["folds"][1]["metric"]) == ("macro_f1", "macro_f1")


def test_a_search_shows_its_trials_best_first(tmp_path: Path, run: Run) -> None:
    search = Folder.at(tmp_path / "search")
    write_search(search, 754.0, {"ended": "2026-11-25T00:00:00+00:00"}, {"ended": None})
    weak = Trial(0, {"optim.lr": 1e-5}, "finished", [0.2])
    good = Trial(1, {"optim.lr": 1e-3}, "finished", [0.4, 0.3])
    good.out_of_fold = FinalScore(0.35, [0.4, 0.3], 0.07, 0)
    for trial in (weak, good, Trial(2, {"optim.lr": 1e-2}, "running")):
        write_trial(search, trial)
    found = status(search.location)
    assert not found.over
    lines = lines_of([found])
    assert lines[0] == str(tmp_path / "search")
    assert lines[2].split() == [
        "1", "finished", "0.3500", "0.0700", "0.4000", "2", "optim.lr=0.001",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:5]] == ["1", "0", "2"]
    assert lines[-1] == "3 trials, 1 running, 12:34 spent"
    good.out_of_fold = replace(good.out_of_fold, interval=Interval(0.95, 0.3, 0.4))
    write_trial(search, good)
    head, first, second, *_ = lines_of([status(search.location)])[1:]
    assert head.split()[2:6] == ["out-of-fold", "95", "%", "deviation"]
    assert first.split()[2:6] == ["0.3500", "[0.3000,", "0.4000]", "0.0700"]
    assert second.split()[2:5] == ["-", "-", "-"]
    # Beside a run, each keeps its own form.
    assert lines_of([found, status(run.folder.location)])[0] == run.folder.location


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run's folder"):
        status(str(tmp_path))
    assert main(["status", str(tmp_path)]) == 2
