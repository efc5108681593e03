"""Runs below a folder, notes, and what came back from the leaderboard."""

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maskcls.cli.main import main
from maskcls.commands.note import note
from maskcls.commands.runs import SILENT_S, runs
from maskcls.commands.submitted import submitted
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.statistics.judging import NO_GROUPS
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from tests.evaluation.oof_factory import write_held_out
from tests.record_factory import heartbeat, record
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT


def _two_runs(at: Path) -> None:
    (a,), (b,) = made_up_sides(0, 20, (0, 2))
    write_held_out(at / "deep" / "a", a)
    write_held_out(at / "b", b, ["optim.lr=0.5"])


def test_runs_are_found_below_best_first_with_what_differs(tmp_path: Path):
    _two_runs(tmp_path)
    found = runs(str(tmp_path)).runs
    assert [Path(run.location).name for run in found] == ["b", "a"]
    assert [run.state for run in found] == ["finished"] * 2
    assert found[0].differs["optim.lr"][1] == 0.5
    assert not {"optim.lr", "folds.scheme"} & found[1].differs.keys()
    assert [run.run for run in runs(str(tmp_path), where=["optim.lr=5e-1"]).runs] == [found[0].run]
    with pytest.raises(UserError, match=r"no optim\.rl; did you mean optim\.lr"):
        runs(str(tmp_path), where=["optim.rl=1"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--where", "state=finised"], "no state finised; did you mean finished?"),
        (["--where", "train.keep=lst"], "did you mean last?"),
        (["--where", "loss.name=focl"], "did you mean focal?"),
        (["--where", "loss.fokal.gamma=2"], "did you mean loss.focal.gamma?"),
        (["--where", "stat=finished"], "did you mean state?"),
        (["--where", "optim.lr"], "write it as NAME=VALUE"),
        (["--sort", "scroe"], "did you mean score?"),
        (["--sort", "-optim.rl"], "did you mean optim.lr?"),
        (["--sort", "a.b.c"], "there is no a.b.c"),
    ],
)
def test_what_no_run_can_have_is_refused_in_one_sentence(
    tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["runs", str(tmp_path), *words]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith(f"maskcls runs: {' '.join(words)}: ")
    assert says in err


def test_a_minus_turns_the_order_round_and_runs_without_the_value_stay_last(tmp_path: Path):
    _two_runs(tmp_path)
    _begun(tmp_path / "c", ended=ENDED, exit_code=1)

    def order(sort: str) -> list[str]:
        return [Path(run.location).name for run in runs(str(tmp_path), sort=sort).runs]

    assert order("score") == ["b", "a", "c"]
    assert order("-score") == ["a", "b", "c"]
    assert order("optim.lr") == ["c", "a", "b"]
    assert order("-optim.lr") == ["b", "c", "a"]
    assert order("run") == ["b", "c", "a"]
    assert order("-run") == ["a", "c", "b"]
    assert order("loss.focal.gamma") == order("run")


def test_the_minus_is_typed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _two_runs(tmp_path)
    for words in (["--sort", "-score"], ["--sort=-score"]):
        assert main(["runs", str(tmp_path), *words, "--json"]) == 0
        found = [Path(run["run"]).name for run in json.loads(capsys.readouterr().out)]
        assert found == ["a", "b"]


def test_scores_of_several_metrics_are_not_mixed(tmp_path: Path):
    better, worse = made_up_sides(0, 20, (2, 0))
    for metric in ("log_loss", "macro_f1"):
        task = replace(FRUIT, metric=metric)  # type: ignore[arg-type]
        write_held_out(tmp_path / metric / "worse", worse[0], task=task)
        write_held_out(tmp_path / metric / "better", better[0], task=task)
    for sort, names in (("score", ["better", "worse"]), ("-score", ["worse", "better"])):
        found = [Path(run.location) for run in runs(str(tmp_path), sort=sort).runs]
        assert [path.parent.name for path in found] == ["log_loss"] * 2 + ["macro_f1"] * 2
        assert [path.name for path in found] == names * 2


def test_a_value_is_found_however_it_is_spelled(tmp_path: Path):
    (a,), _ = made_up_sides(0, 20)
    write_held_out(tmp_path / "a", a, ["image.crop=face", "rows.drop_ages=57"])
    for text in ("image.crop=face", "image.crop=face:.30", "rows.drop_ages=57", "state=finished"):
        assert len(runs(str(tmp_path), where=[text]).runs) == 1
    found = runs(str(tmp_path), where=["image.crop=none"])
    assert (found.runs, found.others) == ((), 1)


def test_notes_and_tags_change_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _two_runs(tmp_path)
    before = {entry.name: entry.mtime_ns for entry in Folder.at(tmp_path / "b").list()}
    note(str(tmp_path / "b"), "higher rate", ["rate"])
    note(str(tmp_path / "b"), tags=["best"])
    after = {entry.name: entry.mtime_ns for entry in Folder.at(tmp_path / "b").list()}
    assert before == {name: at for name, at in after.items() if name != "notes.jsonl"}
    assert main(["runs", str(tmp_path), "--json", "--tag", "best"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["tags"] == ["rate", "best"]
    assert [one["text"] for one in run["notes"]] == ["higher rate"]


def test_what_came_back_is_kept_beside_the_forecast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "s.csv"
    forecast = {"metric": "macro_f1", "value": 0.6, "interval": [0.5, 0.7]}
    beside = tmp_path / "s.csv.provenance.json"
    beside.write_text(json.dumps({"runs": [], "forecast": forecast}))
    assert main(["submitted", str(file), "--public", "0.65"]) == 0
    assert "as forecast" in capsys.readouterr().out
    # The private one comes later, and alone.
    assert submitted(str(file), None, 0.4).submitted[-1].private == 0.4
    assert [x["public"] for x in json.loads(beside.read_text())["submitted"]] == [0.65, None]
    assert main(["runs", str(tmp_path)]) == 0
    assert "0.6500   0.4000  public as forecast, private below" in capsys.readouterr().out


def test_answers_without_number_or_submission_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="provenance"):
        submitted(str(tmp_path / "none.csv"), 0.5)
    with pytest.raises(UserError, match="number"):
        submitted(str(tmp_path / "none.csv"), float("nan"))


def test_a_forecast_is_of_the_run_at_its_place_alone(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 20)
    for name, rows in (("one", a), ("two", b)):
        write_held_out(tmp_path / name / "run", rows)
    values = {"runs": [{"run": str(tmp_path / "one" / "run")}]}
    values["forecast"] = {"metric": "macro_f1", "value": 0.6, "interval": None}
    (tmp_path / "s.csv.provenance.json").write_text(json.dumps(values))
    found = {Path(run.location).parent.name: run for run in runs(str(tmp_path)).runs}
    assert [len(found[name].submissions) for name in ("one", "two")] == [1, 0]


def test_score_and_interval_point_the_same_way_beside_the_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Log loss is better where it is lower; its score has the other sign."""
    (a,), _ = made_up_sides(0, 20)
    run = write_held_out(tmp_path / "a", a, task=replace(FRUIT, metric="log_loss"))
    values = json.loads((tmp_path / "a" / "metrics.json").read_text())
    values["oof"]["interval"] = {"level": 0.95, "low": 1.0, "high": 1.5}
    (tmp_path / "a" / "metrics.json").write_text(json.dumps(values))
    metrics = run.metrics()
    assert metrics is not None
    assert metrics.oof is not None
    score = metrics.oof.score.score
    assert main(["runs", str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert score is not None
    assert (found["score"], found["value"]) == (score, -score)
    assert (found["interval"], found["value_interval"]) == ([-1.5, -1.0], [1.0, 1.5])
    assert main(["runs", str(tmp_path)]) == 0
    assert "[1.0000, 1.5000]" in capsys.readouterr().out


@pytest.mark.parametrize("judged", [True, False])
def test_an_interval_that_takes_each_image_for_a_group_says_so(
    tmp_path: Path, judged: bool, capsys: pytest.CaptureFixture[str]
):
    _two_runs(tmp_path)
    for name in ("b", "deep/a"):
        path = tmp_path / name / "metrics.json"
        values = json.loads(path.read_text())
        values["oof"]["interval"] = {"level": 0.95, "low": 0.2, "high": 0.9}
        if name == "b" and judged:
            values["oof"] |= {"interval_by": "20 images", "interval_note": NO_GROUPS}
        elif name == "b":  # of a version that judged no score
            values["no_groups"] = NO_GROUPS
        path.write_text(json.dumps(values))
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["*" in line for line in lines] == [False, True, False, True]
    assert lines[-1] == f"* {NO_GROUPS}"
    assert main(["runs", str(tmp_path), "--json"]) == 0
    notes = [run["interval_note"] for run in json.loads(capsys.readouterr().out)]
    assert notes == [NO_GROUPS, None]


def _begun(at: Path, beat_ago_s: float | None = None, **start: Any) -> str:
    """The state of a run that is not collected, whose last command has these fields."""
    run = Run(Folder.at(at))
    run.write_config(resolve("plain"))
    run.write_task(FRUIT)
    run.write_record(record(start) if start else record())
    if beat_ago_s is not None:
        run.fold(0).write_heartbeat(heartbeat(beat_ago_s))
    (found,) = runs(str(at)).runs
    assert (found.score, found.value, found.interval, found.value_interval) == (None,) * 4
    return found.state


HERE, FAR = platform.node(), "another-machine"
ENDED = "2026-11-28T00:00:00+00:00"
THIS_PROCESS = -1
"""Stands for its number, which differs between the processes that collect the tests."""
NO_PROCESS = 2**22 + 1
"""Above the largest process number that Linux gives."""


@pytest.mark.parametrize(
    ("state", "start"),
    [
        ("started", {}),
        ("running", {"host": HERE, "pid": THIS_PROCESS}),
        ("failed", {"host": HERE, "pid": NO_PROCESS}),
        ("running", {"host": FAR, "beat_ago_s": SILENT_S / 2}),
        ("failed", {"host": FAR, "beat_ago_s": SILENT_S * 2}),
        ("failed", {"host": FAR}),
        ("failed", {"ended": ENDED, "exit_code": 1}),
        ("failed", {"ended": ENDED, "exit_code": 2}),
        ("started", {"ended": ENDED, "exit_code": 130}),
        ("started", {"ended": ENDED, "exit_code": 0}),
    ],
    ids=str,
)
def test_states_of_runs_that_are_not_finished(tmp_path: Path, state: str, start: dict[str, Any]):
    if start.get("pid") == THIS_PROCESS:
        start = start | {"pid": os.getpid()}
    assert _begun(tmp_path / "run", **start) == state


def test_runs_are_filtered_by_state_and_those_without_score_are_last(tmp_path: Path):
    _two_runs(tmp_path)
    _begun(tmp_path / "c", ended=ENDED, exit_code=1)
    listed = runs(str(tmp_path)).runs
    assert [run.state for run in listed] == ["finished", "finished", "failed"]
    (failed,) = runs(str(tmp_path), where=["state=failed"]).runs
    assert Path(failed.location).name == "c"


def test_what_cannot_be_read_is_named_and_hides_nothing(tmp_path: Path):
    _two_runs(tmp_path)
    for path in (tmp_path / "b").glob("config.*"):
        path.write_text("[")
    said: list[str] = []
    found = runs(str(tmp_path), said.append).runs
    assert [Path(run.location).name for run in found] == ["a"]
    assert len(said) == 1
    assert said[0].startswith(f"left out of the list: {tmp_path}/b/config.json")


@pytest.mark.parametrize("name", ["metrics.json", "config.json", "task.json", "record.json"])
@pytest.mark.parametrize("content", ["null", "[]", "{", '{"oof": 3}'])
def test_a_damaged_file_of_a_run_is_named_with_what_to_do_and_the_others_are_listed(
    tmp_path: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
):
    _two_runs(tmp_path)
    damaged = tmp_path / "b" / name
    damaged.write_text(content)
    assert main(["runs", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "deep/a" in out
    assert f"{tmp_path}/b " not in out
    assert len(err.splitlines()) == 1
    assert err.startswith(f"left out of the list: {damaged}")
    # A record without format is of another version of the program.
    advice = {"metrics.json": "delete", "record.json": "restore" if content[:1] != "{" else ""}
    assert advice.get(name, "restore") in err


def test_a_note_is_kept_as_typed_and_shown_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _two_runs(tmp_path)
    text = "two\nlines \u2028 and\x85more"
    note(str(tmp_path / "b"), text, ["x\n y"])
    note(str(tmp_path / "b"), "second")
    run = next(one for one in runs(str(tmp_path)).runs if one.notes)
    assert ([one.text for one in run.notes], run.tags) == ([text, "second"], ("x y",))
    assert main(["runs", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert [line.strip()[:2] for line in lines] == ["#x", "20", "20"]
    note(str(tmp_path / "deep" / "a"), "bytes that are no text: \udcff")
    (kept,) = next(one.notes for one in runs(str(tmp_path)).runs if one.location.endswith("/a"))
    assert kept.text.endswith("\udcff")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff",
        b"[1]",
        b'{"submitted": 1}',
        b'{"submitted": [{"time": "", "public": "much"}]}',
    ],
)
def test_a_damaged_provenance_is_named_and_left_alone(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
):
    beside = tmp_path / "s.csv.provenance.json"
    beside.write_bytes(content)
    assert main(["submitted", str(tmp_path / "s.csv"), "--public", "0.6"]) == 2
    assert beside.name in capsys.readouterr().err
    assert beside.read_bytes() == content
    assert main(["runs", str(tmp_path)]) == 0
    assert beside.name in capsys.readouterr().err
