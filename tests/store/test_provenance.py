"""A submission's provenance: its forecast, what came back, and which runs it is of."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from maskcls.store.provenance import Submission, add_answer, read_submission, runs_in
from maskcls.store.run import Run


def _run(at: Path) -> Run:
    run = Run(Folder.at(at))
    run.write_config(resolve("plain"))
    return run


def _of(at: Path, *runs: object) -> Submission:
    return Submission(str(at), tuple(map(str, runs)), None, ())


def _found(submission: Submission, runs: Sequence[Run]) -> list[str]:
    return sorted(runs_in(submission, runs))


def _beside(at: Path, **values: object) -> Path:
    path = at / "s.csv.provenance.json"
    path.write_text(json.dumps({"runs": [{"run": "a"}], "mine": 1, **values}))
    return path


def test_older_ones_have_neither_forecast_nor_answers(tmp_path: Path):
    _beside(tmp_path)
    found = read_submission(Folder.at(tmp_path), "s.csv.provenance.json")
    assert (found.runs, found.forecast, found.submitted) == (("a",), None, ())
    assert Path(found.file).name == "s.csv"


def test_a_forecast_may_have_no_interval_or_no_value(tmp_path: Path):
    _beside(tmp_path, forecast={"metric": "auc", "value": 0.5, "interval": None})
    found = read_submission(Folder.at(tmp_path), "s.csv.provenance.json").forecast
    assert found is not None
    assert (found.metric, found.value, found.interval) == ("auc", 0.5, None)
    _beside(tmp_path, forecast={"metric": "auc", "value": None, "interval": None})
    assert read_submission(Folder.at(tmp_path), "s.csv.provenance.json").forecast is None


@pytest.mark.parametrize(
    "values",
    [[], {"runs": [{}]}, {"runs": "abc"}, {"forecast": {"value": "high", "metric": "auc"}}],
)
def test_what_is_no_provenance_is_refused_and_left_as_it_is(tmp_path: Path, values: object):
    path = tmp_path / "s.csv.provenance.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="not a provenance"):
        add_answer(str(tmp_path / "s.csv"), 0.5, None)
    assert json.loads(path.read_text()) == values


def test_answers_are_added_and_all_else_stays(tmp_path: Path):
    path = _beside(tmp_path)
    add_answer(str(tmp_path / "s.csv"), 0.5, None)
    # Either file may be named.
    found = add_answer(str(path), 0.5, 0.25)
    assert [(one.public, one.private) for one in found.submitted] == [(0.5, None), (0.5, 0.25)]
    assert json.loads(path.read_text())["mine"] == 1


def test_a_run_of_the_same_name_elsewhere_is_another(tmp_path: Path):
    one, other = _run(tmp_path / "one" / "r"), _run(tmp_path / "other" / "r")
    submission = _of(tmp_path / "s.csv", tmp_path / "one" / "r")
    assert _found(submission, [one, other]) == [one.folder.location]
    # Not below the folder that was searched, but it is there.
    assert _found(submission, [other]) == []


def test_a_moved_run_is_known_by_its_name_where_no_other_has_it(tmp_path: Path):
    moved, other = _run(tmp_path / "new" / "r"), _run(tmp_path / "new" / "q")
    submission = _of(tmp_path / "s.csv", tmp_path / "old" / "r")
    assert _found(submission, [moved, other]) == [moved.folder.location]
    assert _found(submission, [moved, other, _run(tmp_path / "more" / "r")]) == []


def test_a_relative_location_is_looked_for_above_the_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mine, here = _run(tmp_path / "mine" / "runs" / "r"), _run(tmp_path / "here" / "runs" / "r")
    monkeypatch.chdir(tmp_path / "here")
    submission = _of(tmp_path / "mine" / "out" / "s.csv", "runs/r")
    assert _found(submission, [mine, here]) == [mine.folder.location]
    submission = _of(tmp_path / "s.csv", "runs/r")
    assert _found(submission, [mine, here]) == [here.folder.location]


def test_a_link_to_a_run_is_the_run(tmp_path: Path):
    run = _run(tmp_path / "r")
    (tmp_path / "link").symlink_to(tmp_path / "r")
    assert _found(_of(tmp_path / "s.csv", tmp_path / "link"), [run]) == [run.folder.location]


def test_a_uri_is_compared_whole(tmp_path: Path):
    run = _run(tmp_path / "r")
    assert _found(_of(tmp_path / "s.csv", "s3://bucket/r"), [run]) == []
    far = Run(Folder("s3://bucket/r?endpoint_override=host:1", is_local=False))
    assert _found(_of(tmp_path / "s.csv", "s3://bucket/r"), [run, far]) == [far.folder.location]
