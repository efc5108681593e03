"""From folds' logits to one table; nothing is lost, nothing counts twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score

from maskcls.evaluation import out_of_fold
from maskcls.evaluation.out_of_fold import Scored, run_metrics, write_out_of_fold
from maskcls.store import run_files, tables
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, write_table

NUM_PEOPLE, IMAGES = 6, 7
NUM_ROWS = NUM_PEOPLE * IMAGES
FAULTS = {3: "the file is empty", 20: "cut"}
COLUMNS = ["path", "person", "label", "repeat", "fold", "logits", "fault"]


def fill(run: Folder, fold: int, rows: Sequence[int], name: str = "held_out.parquet") -> np.ndarray:
    """A fold's logits file; the logits are the fold's and the row's own."""
    logits = np.stack(
        [np.random.default_rng([fold, row]).normal(size=18) for row in rows] or [np.zeros(18)]
    ).astype(np.float32)[: len(rows)]
    column = logits_column(logits, np.ones(len(rows), bool))
    table = pa.table({"row": np.array(rows, np.int64), "logits": column})
    write_table(run_files.fold_folder(run, fold), name, table)
    return logits


@dataclass(frozen=True)
class Run:
    """A run whose folds are finished: fold_of_person[repeat][person], -1 for nobody's."""

    folder: Folder
    frame: pd.DataFrame
    fold_of_person: list[list[int]]
    per_repeat: int

    @property
    def num_folds(self) -> int:
        return self.per_repeat * len(self.fold_of_person)

    def plain(self) -> pd.DataFrame:
        """oof.parquet, computed row by row."""
        found = []
        for repeat, folds in enumerate(self.fold_of_person):
            for row, one in enumerate(self.frame.itertuples()):
                fold = folds[row // IMAGES]
                if fold >= 0:
                    seed = [repeat * self.per_repeat + fold, row]
                    logits = np.random.default_rng(seed).normal(size=18).astype(np.float32)
                    lost = FAULTS.get(row)
                    found.append(
                        (
                            one.path,
                            one.person,
                            one.label,
                            repeat,
                            fold,
                            None if lost else logits,
                            lost,
                        )
                    )
        return pd.DataFrame(found, columns=COLUMNS)


def write_run(folder: Path, fold_of_person: list[list[int]], per_repeat: int) -> Run:
    run = Folder.at(folder)
    people = [f"p{number}" for number in range(NUM_PEOPLE)]
    frame = pd.DataFrame(
        {
            "path": [f"{p}/{shot}.jpg" for p in people for shot in range(IMAGES)],
            "person": [p for p in people for _ in range(IMAGES)],
            "label": np.random.default_rng(9).integers(0, 18, NUM_ROWS).astype(np.int8),
        }
    )
    # As the driver writes it: the person's names once, and their codes.
    person = pa.array(frame["person"]).dictionary_encode()
    table = pa.table({"path": frame["path"], "person": person, "label": frame["label"]})
    write_table(run, "table.parquet", table)
    folds = [
        {"person": p, "repeat": np.int16(repeat), "fold": np.int16(fold)}
        for repeat, folds in enumerate(fold_of_person)
        for p, fold in zip(people, folds, strict=True)
    ]
    write_table(run, "folds.parquet", pd.DataFrame(folds))
    for repeat, folds_of_repeat in enumerate(fold_of_person):
        of_row = np.repeat(folds_of_repeat, IMAGES)
        for fold in range(per_repeat):
            rows = [r for r in np.flatnonzero(of_row == fold).tolist() if r not in FAULTS]
            fill(run, repeat * per_repeat + fold, rows)
    return Run(run, frame, fold_of_person, per_repeat)


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
    run = write_run(tmp_path, fold_of_person, per_repeat)
    scored = write_out_of_fold(run.folder, run.num_folds, per_repeat, FAULTS)
    found, plain = pd.read_parquet(tmp_path / "oof.parquet"), run.plain()
    assert list(found.columns) == COLUMNS
    assert len(found) == len(plain)
    for name in ("path", "person", "label", "repeat", "fold"):
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
    run = write_run(tmp_path, fold_of_person, per_repeat)
    scored = write_out_of_fold(run.folder, run.num_folds, per_repeat, FAULTS)
    metrics = run_metrics(scored, [], per_repeat)
    plain = run.plain()
    sound = plain[plain["fault"].isna()]
    predicted = np.stack(sound["logits"].tolist()).argmax(axis=1)
    macro = f1_score(sound["label"], predicted, average="macro", labels=range(18), zero_division=0)
    assert metrics["oof"]["macro_f1"] == pytest.approx(macro)
    assert metrics["oof"]["accuracy"] == pytest.approx(accuracy_score(sound["label"], predicted))
    assert metrics["oof"]["images"] == len(sound)
    assert metrics["oof"]["faults"] == plain["fault"].notna().sum()
    assert ("repeats" in metrics) == (len(fold_of_person) > 1)
    for one in metrics.get("repeats", []):
        mine = (sound["repeat"] == one["repeat"]).to_numpy()
        label, answer = sound["label"][mine], predicted[mine]
        macro = f1_score(label, answer, average="macro", labels=range(18), zero_division=0)
        assert one["macro_f1"] == pytest.approx(macro)
        assert one["accuracy"] == pytest.approx(accuracy_score(label, answer))


def test_holdout_has_the_held_out_people_only(tmp_path: Path) -> None:
    run = write_run(tmp_path, HOLDOUT, 1)
    (scored,) = write_out_of_fold(run.folder, 1, 1, FAULTS)
    found = pd.read_parquet(tmp_path / "oof.parquet")
    assert sorted(set(found["person"])) == ["p0", "p3"]
    assert (scored.predicted >= 0).sum() == 2 * IMAGES - 1  # row 3 is p0's; row 20 is nobody's
    assert scored.num_faults == 1


def test_of_a_run_without_held_out_people_there_is_no_score(tmp_path: Path) -> None:
    run = write_run(tmp_path, ALL, 1)
    scored = write_out_of_fold(run.folder, 1, 1, FAULTS)
    assert len(pd.read_parquet(tmp_path / "oof.parquet")) == 0
    schema = pa.parquet.read_schema(tmp_path / "oof.parquet")
    assert schema.names == COLUMNS
    assert schema.field("logits").type == pa.list_(pa.float32())
    metrics = run_metrics(scored, [{"fold": 0, "macro_f1": None}], 1)
    assert metrics == {"oof": None, "folds": [{"fold": 0, "repeat": 0, "macro_f1": None}]}


def test_folds_are_named_by_repeat_and_by_their_number_in_it() -> None:
    scored = [Scored(np.zeros(3, np.int8), np.zeros(3, np.int8), 0)] * 2
    folds = [{"fold": number, "best_epoch": number} for number in range(6)]
    named = run_metrics(scored, folds, 3)["folds"]
    assert [(f["repeat"], f["fold"], f["best_epoch"]) for f in named] == [
        (0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5),
    ]  # fmt: skip


def test_a_row_of_two_folds_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, KFOLD, 3)
    fill(run.folder, 1, [0, *range(IMAGES, 2 * IMAGES), *range(28, 35)])
    with pytest.raises(RuntimeError, match="fold 1 has rows that another fold held out, too"):
        write_out_of_fold(run.folder, 3, 3, FAULTS)
    assert not run.folder.exists("oof.parquet")


def test_rows_in_another_order_than_the_tables_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, KFOLD, 3)
    fill(run.folder, 1, [*range(28, 35), *range(IMAGES, 2 * IMAGES)])
    with pytest.raises(RuntimeError, match=r"fold 1: held_out.parquet is not in the table's order"):
        write_out_of_fold(run.folder, 3, 3, FAULTS)


def test_two_repeats_may_hold_the_same_row_out(tmp_path: Path) -> None:
    run = write_run(tmp_path, KFOLD * 2, 3)
    write_out_of_fold(run.folder, 6, 3, FAULTS)
    assert pd.read_parquet(tmp_path / "oof.parquet")["path"].value_counts().eq(2).all()


@pytest.mark.usefixtures("small_parts")
def test_a_lost_row_without_a_reason_is_noticed(tmp_path: Path) -> None:
    run = write_run(tmp_path, KFOLD, 3)
    with pytest.raises(RuntimeError, match="row 20 and 0 more have no logits and no fault"):
        write_out_of_fold(run.folder, 3, 3, {3: "the file is empty"})
    assert not run.folder.exists("oof.parquet")


def fill_eval(run: Folder, names: list[str], folds: dict[int, list[int]]) -> list[np.ndarray]:
    """eval_table.parquet and the logits of each fold's rows."""
    write_table(run, "eval_table.parquet", pa.table({"ImageID": pa.array(names, pa.string())}))
    return [fill(run, fold, rows, "eval.parquet") for fold, rows in folds.items()]


def test_an_eval_row_that_a_fold_left_out_is_noticed(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    fill_eval(run, ["a", "b", "c"], {0: [0, 2]})
    (table,) = out_of_fold.eval_parts(run, [0], 1, {1: "cut"})
    assert table["fault"].to_pylist() == [None, "cut", None]
    assert table["logits"][1].as_py() is None
    with pytest.raises(RuntimeError, match="lacks logits of 1 images"):
        list(out_of_fold.eval_parts(run, [0], 1, {}))


@pytest.mark.usefixtures("small_parts")
def test_eval_rows_are_named_by_repeat_and_fold(tmp_path: Path) -> None:
    run, names, rows = Folder.at(tmp_path), [f"{n}" for n in range(12)], list(range(12))
    logits = fill_eval(run, names, dict.fromkeys((0, 1, 3), rows))
    found = pa.concat_tables(out_of_fold.eval_parts(run, [0, 1, 3], 2, {})).to_pandas()
    assert found["ImageID"].tolist() == names * 3
    assert found["repeat"].tolist() == [0] * 24 + [1] * 12
    assert found["fold"].tolist() == [0] * 12 + [1] * 24
    assert np.stack(found["logits"].tolist()).tolist() == np.concatenate(logits).tolist()


def test_of_no_eval_images_there_is_an_empty_table(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    fill_eval(run, [], {0: []})
    (table,) = out_of_fold.eval_parts(run, [0], 1, {})
    assert table.num_rows == 0
    assert table.schema.names == ["ImageID", "repeat", "fold", "logits", "fault"]
