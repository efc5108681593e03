"""From folds' logits to one table; nothing is lost, nothing counts twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from maskcls.config.resolve import resolve
from maskcls.core.tally import Tally
from maskcls.evaluation.fold_logits import has_logits
from maskcls.evaluation.out_of_fold import Scored, run_metrics, write_eval, write_out_of_fold
from maskcls.folds.names import group_digests
from maskcls.store import run, tables
from maskcls.store.results import FoldOfRun, FoldResult, Metrics
from maskcls.store.tables import write_table
from tests.commands.run_factory import result_of
from tests.tasks import MASK, SKIN

NUM_PEOPLE, IMAGES = 6, 7
NUM_ROWS = NUM_PEOPLE * IMAGES
FAULTS = {3: "the file is empty", 20: "cut"}
COLUMNS = ["image", "group", "label", "repeat", "fold", "logits", "fault"]


def logits_of_rows(fold: int, rows: Sequence[int]) -> np.ndarray:
    """Logits of the fold's and the row's own."""
    logits = np.stack(
        [np.random.default_rng([fold, row]).normal(size=18) for row in rows] or [np.zeros(18)]
    ).astype(np.float32)[: len(rows)]
    return logits


def fill(there: run.Run, fold: int, rows: Sequence[int], epoch: int = 1) -> None:
    """A fold's validation logits of an epoch; those of other epochs are not to be read."""
    logits = logits_of_rows(fold, rows)
    there.fold(fold).write_held_out(epoch, np.array(rows, np.int64), logits)
    there.fold(fold).write_held_out(epoch + 1, np.array(rows, np.int64), logits - 1)


@dataclass(frozen=True)
class Finished:
    """A run whose folds are finished: fold_of_person[repeat][person], -1 for none."""

    run: run.Run
    frame: pd.DataFrame
    fold_of_person: list[list[int]]
    per_repeat: int

    @property
    def results(self) -> list[FoldResult]:
        """Of all folds; the first epoch is the best one."""
        return [result_of(n, "") for n in range(self.per_repeat * len(self.fold_of_person))]

    def plain(self) -> pd.DataFrame:
        """oof.parquet, computed row by row."""
        found = []
        for repeat, folds in enumerate(self.fold_of_person):
            for row, one in enumerate(self.frame.itertuples()):
                fold = folds[row // IMAGES]
                if fold >= 0:
                    logits = logits_of_rows(repeat * self.per_repeat + fold, [row])[0]
                    lost = FAULTS.get(row)
                    found.append(
                        (
                            one.path,
                            one.group,
                            one.label,
                            repeat,
                            fold,
                            None if lost else logits,
                            lost,
                        )
                    )
        return pd.DataFrame(found, columns=COLUMNS)


def write_run(folder: Path, fold_of_person: list[list[int]], per_repeat: int) -> Finished:
    there = run.Run.at(str(folder))
    scheme = "kfold" if per_repeat > 1 else "holdout"
    sets = [f"folds.scheme={scheme}", f"folds.repeats={len(fold_of_person)}"]
    sets += [f"folds.count={per_repeat}"] if per_repeat > 1 else []
    there.write_config(resolve("smoke", sets=sets))
    there.write_task(MASK)
    people = [f"p{number}" for number in range(NUM_PEOPLE)]
    frame = pd.DataFrame(
        {
            "path": [f"{p}/{shot}.jpg" for p in people for shot in range(IMAGES)],
            "group": [p for p in people for _ in range(IMAGES)],
            "label": np.random.default_rng(9).integers(0, 18, NUM_ROWS).astype(np.int16),
        }
    )
    # As the driver writes it: the person's names once, and their codes.
    group = pa.array(frame["group"]).dictionary_encode()
    columns = {"path": frame["path"], "group": group, "label": frame["label"]}
    table = pa.table(columns | {"group_digest": group_digests(frame["group"])})
    write_table(there.folder, "table.parquet", table)
    folds = [
        {"group": p, "repeat": np.int16(repeat), "fold": np.int16(fold)}
        for repeat, folds in enumerate(fold_of_person)
        for p, fold in zip(people, folds, strict=True)
    ]
    write_table(there.folder, "folds.parquet", pd.DataFrame(folds))
    for repeat, folds_of_repeat in enumerate(fold_of_person):
        of_row = np.repeat(folds_of_repeat, IMAGES)
        for fold in range(per_repeat):
            rows = [r for r in np.flatnonzero(of_row == fold).tolist() if r not in FAULTS]
            fill(there, repeat * per_repeat + fold, rows)
    return Finished(there, frame, fold_of_person, per_repeat)


@pytest.fixture(params=[1000, 5], ids=["one part", "many parts"])
def small_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are read so many rows at a time; persons and folds lie across the parts."""
    monkeypatch.setattr(tables, "_GROUP_ROWS", request.param)


KFOLD, REPEATS = [[0, 1, 0, 2, 1, 2]], [[0, 1, 0, 2, 1, 2], [2, 2, 1, 0, 0, 1]]
HOLDOUT, ALL = [[0, -1, -1, 0, -1, -1]], [[-1] * NUM_PEOPLE]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("fold_of_person", "per_repeat"),
    [(KFOLD, 3), (REPEATS, 3), (HOLDOUT, 1), (HOLDOUT * 2, 1), (ALL, 1)],
    ids=["kfold", "repeats", "holdout", "holdout twice", "all"],
)
def test_the_table_is_what_a_plain_computation_gives(
    fold_of_person: list[list[int]], per_repeat: int, tmp_path: Path
) -> None:
    made = write_run(tmp_path, fold_of_person, per_repeat)
    scored = write_out_of_fold(made.run, made.results, FAULTS)
    found, plain = pd.read_parquet(tmp_path / "oof.parquet"), made.plain()
    assert list(found.columns) == COLUMNS
    assert len(found) == len(plain)
    for name in ("image", "group", "label", "repeat", "fold"):
        assert found[name].tolist() == plain[name].tolist()
    for name, kind in (("label", "int16"), ("repeat", "int16"), ("fold", "int16")):
        assert found[name].dtype == kind
    for one, two in zip(found["logits"], plain["logits"], strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            assert one.dtype == np.float32
            assert one.tolist() == two.tolist()
    assert found["fault"].dropna().to_dict() == plain["fault"].dropna().to_dict()
    assert len(scored) == len(fold_of_person)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("fold_of_person", "per_repeat"), [(KFOLD, 3), (REPEATS, 3), (HOLDOUT, 1)])
def test_metrics_are_scikit_learns_on_the_tables_rows(
    fold_of_person: list[list[int]], per_repeat: int, tmp_path: Path
) -> None:
    made = write_run(tmp_path, fold_of_person, per_repeat)
    scored = write_out_of_fold(made.run, made.results, FAULTS)
    metrics = run_metrics(scored, [], per_repeat)
    plain = made.plain()
    sound = plain[plain["fault"].isna()]
    predicted = np.stack(sound["logits"].tolist()).argmax(axis=1)
    macro = f1_score(sound["label"], predicted, average="macro", labels=range(18), zero_division=0)
    assert metrics.oof is not None
    assert metrics.oof.score.score == metrics.oof.score.macro_f1 == pytest.approx(macro)
    assert metrics.oof.score.accuracy == pytest.approx(accuracy_score(sound["label"], predicted))
    assert metrics.oof.images == len(sound)
    assert metrics.oof.faults == plain["fault"].notna().sum()
    several = len(fold_of_person) > 1
    assert [one.repeat for one in metrics.repeats] == list(range(len(fold_of_person) * several))
    for one in metrics.repeats:
        mine = (sound["repeat"] == one.repeat).to_numpy()
        label, answer = sound["label"][mine], predicted[mine]
        macro = f1_score(label, answer, average="macro", labels=range(18), zero_division=0)
        accuracy = pytest.approx(accuracy_score(label, answer))
        assert one.score == pytest.approx(macro)
        assert one.metrics == {"macro_f1": one.score, "accuracy": accuracy}


def test_with_several_repeats_an_auc_is_of_all_rows_of_all_repeats() -> None:
    numbers = np.random.default_rng(3)
    rows = [(numbers.integers(0, 2, 40), numbers.normal(size=(40, 2))) for _ in range(2)]
    scored = [Scored(Tally.of(SKIN, labels, logits), 1) for labels, logits in rows]
    metrics = run_metrics(scored, [], 1)
    labels, logits = (np.concatenate(found) for found in zip(*rows, strict=True))
    assert metrics.oof is not None
    whole = roc_auc_score(labels, logits[:, 1] - logits[:, 0])
    assert metrics.oof.score.score == metrics.oof.score.values["auc"] == pytest.approx(whole)
    assert (metrics.oof.images, metrics.oof.faults) == (80, 2)
    for one, (labels, logits) in zip(metrics.repeats, rows, strict=True):
        assert one.score == pytest.approx(roc_auc_score(labels, logits[:, 1] - logits[:, 0]))


def test_holdout_has_the_held_out_people_only(tmp_path: Path) -> None:
    made = write_run(tmp_path, HOLDOUT, 1)
    (scored,) = write_out_of_fold(made.run, made.results, FAULTS)
    found = pd.read_parquet(tmp_path / "oof.parquet")
    assert sorted(set(found["group"])) == ["p0", "p3"]
    assert scored.tally.rows == 2 * IMAGES - 1  # row 3 is p0's; row 20 is of no fold
    assert scored.num_faults == 1


def test_of_a_run_without_held_out_people_there_is_no_score(tmp_path: Path) -> None:
    made = write_run(tmp_path, ALL, 1)
    scored = write_out_of_fold(made.run, made.results, FAULTS)
    assert len(pd.read_parquet(tmp_path / "oof.parquet")) == 0
    schema = pa.parquet.read_schema(tmp_path / "oof.parquet")
    assert schema.names == COLUMNS
    assert schema.field("logits").type == pa.list_(pa.float32())
    result = replace(result_of(0, ""), score=None, metrics={})
    metrics = run_metrics(scored, [result], 1)
    assert metrics == Metrics(oof=None, folds=[FoldOfRun(0, 0, result)])


def test_folds_are_named_by_repeat_and_by_their_number_in_it() -> None:
    scored = [Scored(Tally.of(MASK, np.zeros(3, np.int8), np.zeros((3, 18))), 0)] * 2
    folds = [replace(result_of(number, ""), best_epoch=number) for number in range(6)]
    named = run_metrics(scored, folds, 3).folds
    assert [(f.repeat, f.fold, f.result.best_epoch) for f in named] == [
        (0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5),
    ]  # fmt: skip


def test_a_row_of_two_folds_is_refused(tmp_path: Path) -> None:
    made = write_run(tmp_path, KFOLD, 3)
    fill(made.run, 1, [0, *range(IMAGES, 2 * IMAGES), *range(28, 35)])
    with pytest.raises(RuntimeError, match="fold 1 has rows that another fold held out, too"):
        write_out_of_fold(made.run, made.results, FAULTS)
    assert not made.run.folder.exists("oof.parquet")


def test_rows_in_another_order_than_the_tables_are_refused(tmp_path: Path) -> None:
    made = write_run(tmp_path, KFOLD, 3)
    fill(made.run, 1, [*range(28, 35), *range(IMAGES, 2 * IMAGES)])
    with pytest.raises(
        RuntimeError, match=r"fold 1: held_out/epoch-0001\.parquet is not in the table's order"
    ):
        write_out_of_fold(made.run, made.results, FAULTS)


def test_two_repeats_may_hold_the_same_row_out(tmp_path: Path) -> None:
    made = write_run(tmp_path, KFOLD * 2, 3)
    write_out_of_fold(made.run, made.results, FAULTS)
    assert pd.read_parquet(tmp_path / "oof.parquet")["image"].value_counts().eq(2).all()


@pytest.mark.usefixtures("small_parts")
def test_a_lost_row_without_a_reason_is_noticed(tmp_path: Path) -> None:
    made = write_run(tmp_path, KFOLD, 3)
    with pytest.raises(RuntimeError, match="row 20 and 0 more have no logits and no fault"):
        write_out_of_fold(made.run, made.results, {3: "the file is empty"})
    assert not made.run.folder.exists("oof.parquet")


def eval_run(folder: Path, names: list[str], repeats: int = 1) -> run.Run:
    """A run with eval images: two folds a repeat, or one with all people if there is no repeat."""
    there = run.Run.at(str(folder))
    folds = ["folds.count=2", f"folds.repeats={repeats}"] if repeats > 1 else ["folds.scheme=all"]
    there.write_config(resolve("smoke", sets=folds))
    there.write_task(MASK)
    images = pa.table({"image": pa.array(names, pa.string())})
    write_table(there.folder, "eval_table.parquet", images)
    return there


def fill_eval(there: run.Run, fold: int, rows: list[int]) -> np.ndarray:
    """The eval logits of a fold's rows."""
    logits = logits_of_rows(fold, rows)
    there.fold(fold).write_eval_logits(np.array(rows, np.int64), logits)
    return logits


def test_an_eval_row_that_a_fold_left_out_is_noticed(tmp_path: Path) -> None:
    there = eval_run(tmp_path, ["a", "b", "c"])
    fill_eval(there, 0, [0, 2])
    write_eval(there, {1: "cut"})
    table = pa.parquet.read_table(tmp_path / "eval.parquet")
    assert table["fault"].to_pylist() == [None, "cut", None]
    assert table["logits"][1].as_py() is None
    (tmp_path / "eval.parquet").unlink()
    with pytest.raises(RuntimeError, match="lacks logits of 1 images"):
        write_eval(there, {})
    assert not (tmp_path / "eval.parquet").exists()


@pytest.mark.usefixtures("small_parts")
def test_eval_rows_are_named_by_repeat_and_fold(tmp_path: Path) -> None:
    names, rows = [f"{n}" for n in range(12)], list(range(12))
    there = eval_run(tmp_path, names, repeats=2)
    logits = [fill_eval(there, fold, rows) for fold in range(4)]
    write_eval(there, {})
    found = pd.read_parquet(tmp_path / "eval.parquet")
    assert found["image"].tolist() == names * 4
    assert found["repeat"].tolist() == [0] * 24 + [1] * 24
    assert found["fold"].tolist() == ([0] * 12 + [1] * 12) * 2
    assert np.stack(found["logits"].tolist()).tolist() == np.concatenate(logits).tolist()


def test_of_no_eval_images_there_is_an_empty_table(tmp_path: Path) -> None:
    there = eval_run(tmp_path, [])
    fill_eval(there, 0, [])
    write_eval(there, {})
    table = pa.parquet.read_table(tmp_path / "eval.parquet")
    assert table.num_rows == 0
    assert table.schema.names == ["image", "repeat", "fold", "logits", "fault"]


def test_a_row_has_logits_when_all_18_are_finite() -> None:
    logits = np.zeros((3, 18), np.float32)
    logits[1, 5], logits[2] = np.inf, np.nan
    assert has_logits(logits).tolist() == [True, False, False]
