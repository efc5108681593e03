"""A run's folder: the name of every file, what each says, and folders that are no run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.core.history import EpochEntry
from maskcls.core.tally import score_predictions
from maskcls.store.attempt import Attempt
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.record import Record
from maskcls.store.results import FoldOfRun, FoldResult, Metrics, OutOfFold, RepeatScore, Sample
from maskcls.store.run import Faults, Network, Run
from maskcls.store.tables import logits_of, read_arrow, write_table
from tests.commands.run_factory import result_of
from tests.record_factory import metrics
from tests.tasks import MASK

NETWORK = Network(5, (0.5, 0.4, 0.3), (0.25, 0.5, 0.2), True, {"hub:x": "0" * 64})
FAULTS = Faults({"a/1.jpg": "cut"}, {"e.jpg": "the file is empty"}, {})
BEAT = Heartbeat("predicting", 1, "t", 7, "n", "w", "h", "2026-01-01T10:00:00.000+00:00")
SAMPLE = Sample("s.csv", ("id", "ans"), "id", ("b", "a"))
SETS = ["folds.count=3", "folds.repeats=2"]


def entry(epoch: int, score: float | None = 0.5) -> EpochEntry:
    values = metrics(score)
    return EpochEntry(epoch, 0.1, 2.5, score, values, 9, 10.0, 1.5, 0.5, "2026-01-01T00:00:00")


def logits(count: int) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 18)).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has its settings: six folds, in two repeats."""
    run = Run.at(str(tmp_path))
    run.write_config(resolve("smoke", sets=SETS))
    return run


# ---- names ---------------------------------------------------------------------------------------


def test_each_file_of_the_run_has_its_name(run: Run, tmp_path: Path) -> None:
    def new(write: object, *given: object) -> list[str]:
        before = {path.name for path in tmp_path.iterdir()}
        write(*given)  # type: ignore[operator]
        return sorted({path.name for path in tmp_path.iterdir()} - before)

    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert new(run.write_network, NETWORK) == ["network.json"]
    assert new(run.write_record, Record.new({})) == ["record.json"]
    assert new(run.write_sample, SAMPLE) == ["sample.json"]
    assert new(run.write_faults, FAULTS) == ["faults.json"]
    assert new(run.write_metrics, Metrics(None, [])) == ["metrics.json"]
    assert run.folder.exists(run.probe_file)
    assert run.ray_records.location == str(tmp_path / "ray")
    assert run.fold(4).folder.location == str(tmp_path / "fold-4")


def test_each_file_of_a_fold_has_its_name(run: Run, tmp_path: Path) -> None:
    fold = run.fold(1)
    fold.write_attempt(Attempt(1, "t"))
    fold.write_heartbeat(BEAT)
    fold.write_history([entry(1)])
    fold.write_held_out(12, np.arange(3), logits(3))
    fold.write_eval_logits(np.arange(2), logits(2))
    fold.write_result(result_of(1, "m"))
    found = sorted(str(p.relative_to(tmp_path / "fold-1")) for p in tmp_path.rglob("fold-1/**/*.*"))
    assert found == [
        "attempt.json", "eval_logits.parquet", "fold.json", "held_out/epoch-0012.parquet",
        "history.jsonl", "progress.json",
    ]  # fmt: skip
    assert fold.checkpoints.location == str(tmp_path / "fold-1" / "checkpoints")
    assert fold.held_out_name(12) == "held_out/epoch-0012.parquet"
    assert fold.held_out_name(12345) == "held_out/epoch-12345.parquet"


@pytest.mark.parametrize(
    ("sets", "total", "per_repeat"),
    [
        (SETS, 6, 3),
        (["folds.count=2"], 2, 2),
        (["folds.scheme=image", "folds.count=3"], 3, 3),
        (["folds.scheme=holdout", "folds.repeats=4"], 4, 1),
        (["folds.scheme=all"], 1, 1),
    ],
)
def test_the_settings_say_how_many_folds_there_are(
    tmp_path: Path, sets: list[str], total: int, per_repeat: int
) -> None:
    run = Run.at(str(tmp_path))
    run.write_config(resolve("smoke", sets=sets))
    assert [fold.number for fold in run.folds()] == list(range(total))
    assert run.config.folds.per_repeat == per_repeat


# ---- what they say -------------------------------------------------------------------------------


def test_everything_comes_back_as_it_was(run: Run) -> None:
    record = Record.new({"images": 84})
    record.add_start(["maskcls", "train"])
    run.write_network(NETWORK)
    run.write_record(record)
    run.write_faults(FAULTS)
    assert run.sample() is None
    run.write_sample(SAMPLE)
    again = Run.open(run.folder)
    assert again.config == run.config == resolve("smoke", sets=SETS)
    assert again.config_bytes() == run.folder.read_bytes("config.json")
    assert again.network() == NETWORK
    assert again.record() == record
    assert again.faults() == FAULTS
    assert again.sample() == SAMPLE
    fold = run.fold(5)
    history, attempt = [entry(1), entry(2, None)], Attempt(3, "t", stop=True)
    fold.write_history(history)
    fold.write_heartbeat(BEAT)
    fold.write_attempt(attempt)
    fold.write_result(result_of(5, "m"))
    assert fold.history() == history
    assert fold.heartbeat() == BEAT
    assert fold.attempt() == attempt
    assert fold.result() == result_of(5, "m")


def test_what_is_not_there_yet_is_none(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path / "nowhere"))
    assert (run.network(), run.record(), run.metrics()) == (None, None, None)
    assert not run.exists
    assert not run.is_prepared
    assert not run.has_eval
    assert not run.is_collected
    fold = run.fold(0)
    assert (fold.result(), fold.attempt(), fold.heartbeat()) == (None, None, None)
    assert fold.history() == []
    assert not fold.is_done
    assert not (tmp_path / "nowhere").exists()  # asking makes nothing


def test_a_history_that_cannot_be_read_is_empty(run: Run) -> None:
    fold = run.fold(0)
    for content in (b"{", b'{"epoch": 1}\n', b"\xff", b"null\n", b"3\n"):
        fold.folder.write_bytes("history.jsonl", content)
        assert fold.history() == []


def metrics_of(run: Run, oof: bool) -> Metrics:
    folds = [FoldOfRun(*divmod(n, 3), result_of(n, "m")) for n in range(6)]
    whole = OutOfFold(score_predictions(MASK, [1, 1, 4], [1, 4, 4]), 3, 1) if oof else None
    repeats = [RepeatScore(n, n / 2, metrics(n / 2)) for n in range(2)] if oof else []
    return Metrics(whole, folds, repeats, train_faults=2, eval_faults=1, time_s={"folds": 1.5})


@pytest.mark.parametrize("oof", [True, False])
def test_metrics_come_back_as_they_were(run: Run, oof: bool) -> None:
    written = metrics_of(run, oof)
    run.write_metrics(written)
    assert run.metrics() == written
    full = replace(written, warning="people on two sides", no_face_found={"train": 1, "eval": 0})
    run.write_metrics(full)
    assert run.metrics() == full


def test_the_file_of_the_metrics_is_flat_and_leaves_out_what_is_not_there(run: Run) -> None:
    run.write_metrics(metrics_of(run, oof=True))
    found = json.loads(run.folder.read_bytes("metrics.json"))
    assert list(found) == ["oof", "folds", "repeats", "train_faults", "eval_faults", "time_s"]
    assert list(found["oof"]) == [
        "metric", "score", "macro_f1", "accuracy", "per_class", "mask", "gender", "age",
        "images", "faults",
    ]  # fmt: skip
    assert [(f["repeat"], f["fold"]) for f in found["folds"]] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    run.write_metrics(Metrics(None, []))
    found = json.loads(run.folder.read_bytes("metrics.json"))
    assert list(found) == ["oof", "folds", "train_faults", "eval_faults", "time_s"]
    assert found["oof"] is None


def test_a_run_is_collected_when_metrics_and_tables_are_there(run: Run) -> None:
    run.write_metrics(Metrics(None, []))
    assert not run.is_collected
    write_table(run.folder, "oof.parquet", pa.table({"path": ["a"]}))
    assert run.is_collected
    write_table(run.folder, "eval_table.parquet", pa.table({"ImageID": ["a"]}))
    assert run.has_eval
    assert not run.is_collected
    write_table(run.folder, "eval.parquet", pa.table({"ImageID": ["a"]}))
    assert run.is_collected


def test_the_split_is_the_last_of_the_first_files(run: Run) -> None:
    assert run.exists
    assert not run.is_prepared
    write_table(run.folder, "folds.parquet", pa.table({"person": ["a"]}))
    assert run.is_prepared


# ---- a fold --------------------------------------------------------------------------------------


def test_logits_are_of_rows_and_of_an_epoch(run: Run) -> None:
    fold, rows = run.fold(0), np.array([2, 5, 9])
    fold.write_held_out(1, rows, logits(3))
    fold.write_held_out(2, rows, logits(3) + 1)
    fold.write_eval_logits(rows[:2], logits(2))
    for name, values in (
        (fold.held_out_name(1), logits(3)),
        (fold.held_out_name(2), logits(3) + 1),
        ("eval_logits.parquet", logits(2)),
    ):
        table = read_arrow(fold.folder, name)
        assert table["row"].to_pylist() == rows[: len(values)].tolist()
        assert np.array_equal(logits_of(table["logits"], 18)[0], values)


def test_a_fold_has_its_logits_when_those_of_the_best_epoch_are_there(run: Run) -> None:
    fold, result = run.fold(0), replace(result_of(0, "m"), best_epoch=2, epochs=3)
    fold.write_held_out(3, np.arange(3), logits(3))
    assert not fold.has_logits(result, with_eval=False)
    fold.write_held_out(2, np.arange(3), logits(3))
    assert fold.has_logits(result, with_eval=False)
    assert not fold.has_logits(result, with_eval=True)
    fold.write_eval_logits(np.arange(2), logits(2))
    assert fold.has_logits(result, with_eval=True)


def test_a_forgotten_result_leaves_the_rest(run: Run) -> None:
    fold = run.fold(0)
    fold.write_history([entry(1)])
    fold.write_result(result_of(0, "m"))
    assert fold.is_done
    fold.forget_result()
    assert not fold.is_done
    assert fold.result() is None
    assert fold.history() == [entry(1)]


def test_the_state_of_a_fold_is_what_its_files_say(run: Run) -> None:
    fold = run.fold(2)
    assert fold.state(9, None).phase == "waiting"
    fold.write_history([entry(1)])
    beat = replace(BEAT, attempt=4, epoch=2, left_s=5.0)
    state = fold.state(9, beat, "auc")
    assert (state.fold, state.epochs, state.attempt, state.metric) == (2, 9, 4, "auc")
    assert (state.phase, state.epoch, state.left_s) == ("predicting", 2, 5.0)
    assert state.history == [entry(1)]
    fold.write_result(result_of(2, "m"))
    assert (fold.state(9, beat).phase, fold.state(9, beat).left_s) == ("done", None)


def test_a_result_without_a_field_is_an_error_that_names_it(run: Run) -> None:
    fold = run.fold(0)
    fold.write_result(result_of(0, "m"))
    values = fold.folder.read_json("fold.json")
    fold.folder.write_json("fold.json", values | {"of a later version": 1})
    assert fold.result() == result_of(0, "m")
    # Written before there was a choice: the best epoch is what was kept.
    fold.folder.write_json("fold.json", {k: v for k, v in values.items() if k != "keep"})
    assert fold.result() == result_of(0, "m")
    needed = FoldResult.__dataclass_fields__.keys() & values.keys() - {"keep"}
    for name in sorted(needed):
        fold.folder.write_json("fold.json", {k: v for k, v in values.items() if k != name})
        with pytest.raises(KeyError, match=name):
            fold.result()


# ---- folders that are no run ---------------------------------------------------------------------


def test_a_folder_that_is_no_run_cannot_be_opened(tmp_path: Path, run: Run) -> None:
    (tmp_path / "other").mkdir()
    for name in ("other", "nowhere"):
        with pytest.raises(UserError, match=f"{name}: this is not a run's folder; name one that"):
            Run.open(Folder.at(tmp_path / name))
    assert Run.open(run.folder) == run


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("")
    Run.at(str(tmp_path)).refuse_other_content()  # as good as empty
    Run.at(str(tmp_path / "nowhere")).refuse_other_content()
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty and is not a run; name another one"):
        Run.at(str(tmp_path)).refuse_other_content()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "thesis.txt"]


def test_a_missing_task_is_told_with_what_to_do(run: Run) -> None:
    with pytest.raises(UserError, match=r"task\.json: the file is missing; run the same train"):
        _ = run.task
    write_table(run.folder, "folds.parquet", pa.table({"fold": [0]}))
    with pytest.raises(UserError, match=r"task\.json: the file is missing; restore it, or"):
        _ = run.task


def test_the_first_file_alone_is_no_other_content(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path))
    run.write_task(MASK)
    run.refuse_other_content()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match="not empty and is not a run"):
        run.refuse_other_content()


def test_what_else_is_in_a_runs_folder_is_let_be(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    run.refuse_other_content()


def test_a_run_of_format_1_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    run.folder.write_json("record.json", {"format": 1, "data": {}, "starts": [{"pid": 1}]})
    with pytest.raises(UserError) as raised:
        run.record()
    assert str(raised.value).startswith(
        f"{tmp_path}/record.json: written by another version of maskcls (format 1, this one reads 3)"
    )


def test_a_run_is_shown_without_credentials() -> None:
    assert str(Run(Folder("s3://key:secret@bucket/run", is_local=False))) == "s3://bucket/run"


def test_torch_is_not_imported() -> None:
    code = "import sys, maskcls.store.run, maskcls.training.job; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
