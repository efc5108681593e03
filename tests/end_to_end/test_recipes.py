"""Splits, more training rows and unlike members, through the whole main job.

On real Ray where a run's folds or rows are other than usual for its workers, else in this process.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.commands.ensemble import ensemble
from maskcls.commands.lr_find import lr_find
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, UserError
from maskcls.demo.dataset import write_demo_data
from tests.conftest import Heard
from tests.layouts import in_one_process

pytestmark = pytest.mark.slow

TINY = (
    "model.backbone=test_resnet", "image.size=32x32", "train.batch_size=32", "train.epochs=1",
    "cluster.dashboard=false",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run_of(drawn: Path, tmp_path_factory: pytest.TempPathFactory, one_cache: Path, heard: Heard,
           monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # fmt: skip
    """Trains a run with settings, once for each name; returns its folder."""
    monkeypatch.setenv("MASKCLS_CACHE", str(one_cache))

    def make(name: str, *sets: str, on_ray: bool = False) -> Path:
        run = one_cache.parent / f"run-{name}"
        config = resolve("smoke", sets=[*TINY, *sets])
        if on_ray:
            assert train(str(drawn), str(run), config, heard).exit_code == Exit.GOOD
        elif not (run / "metrics.json").exists():
            in_one_process.train(drawn, run, config, heard)
        return run

    return make


def metrics_of(run: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((run / "metrics.json").read_text())  # type: ignore[no-any-return]


def test_unlike_runs_make_one_ensemble(run_of, tmp_path: Path, drawn: Path, heard: Heard) -> None:  # type: ignore[no-untyped-def]
    folds = run_of("folds", "folds.count=2")
    everybody = run_of("all", "folds.scheme=all", "head.name=branches", "head.age=corn")
    assert metrics_of(everybody)["oof"] is None
    assert len(pd.read_parquet(everybody / "oof.parquet")) == 0
    assert set(pd.read_parquet(everybody / "folds.parquet")["fold"]) == {-1}
    for rule in ("logits", "probs", "vote", "vote_parts"):
        out = str(tmp_path / f"{rule}.csv")
        done = ensemble([str(folds), str(everybody)], out, heard, rule=rule, weights=[2, 1])
        assert done.exit_code == Exit.GOOD
        assert len(done.provenance["members"]) == 3
        submission = pd.read_csv(out)
        assert (
            submission["ImageID"].tolist()
            == pd.read_csv(drawn / "eval/info.csv")["ImageID"].tolist()
        )
    # The weights by hand, for the mean of logits: each fold of the first run counts as much as the
    # one network of the second.
    evals = [pd.read_parquet(run / "eval.parquet") for run in (folds, everybody)]
    table = pd.concat(evals)
    mean = table.groupby("image")["logits"].apply(
        lambda s: int(np.stack(s.to_list()).mean(0).argmax())
    )
    answers = pd.read_csv(tmp_path / "logits.csv").set_index("ImageID")["ans"]
    assert (answers == mean[answers.index]).all()


def test_a_split_by_images_is_stamped_and_makes_no_submission(
    run_of, tmp_path: Path, heard: Heard  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    run = run_of("image", "folds.scheme=image", "folds.count=2")
    assert "in training and validation" in metrics_of(run)["warning"]
    oof = pd.read_parquet(run / "oof.parquet")
    assert oof["image"].is_unique
    assert len(oof) == 84
    assert (oof.groupby("group")["fold"].nunique() == 2).any()
    with pytest.raises(UserError, match=r"folds\.scheme=image"):
        ensemble([str(run)], str(tmp_path / "s.csv"), heard)


@pytest.mark.ray
def test_more_training_rows_join_and_the_held_out_stay_as_they_are(
    run_of, drawn: Path, tmp_path: Path, heard: Heard  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    extra = tmp_path / "extra"
    write_demo_data(extra, people=6, eval_people=1, height=64, width=48, processes=1, seed=99)
    _rename_people(extra)
    teacher = run_of("folds", "folds.count=2")
    person = pd.read_csv(drawn / "train/train.csv", dtype=str)["path"][0]
    other = "female" if "_male_" in person else "male"
    corrections = tmp_path / "corrections.csv"
    corrections.write_text(f"path,shot,field,value\n{person},,gender,{other}\n")
    sets = (
        "folds.count=2", f"rows.extra={extra}", f"rows.corrections={corrections}",
        f"rows.pseudo_labels={teacher}", "rows.pseudo_confidence=0.01", "rows.oversample=60+:2",
        "rows.augment=copies", "augment.name=flip",
    )  # fmt: skip
    run = run_of("more", *sets, on_ray=True)
    table = pd.read_parquet(run / "table.parquet")
    mine = table["group"] == person
    assert (table.loc[mine, "label"] != table.loc[mine, "train_label"]).all()
    assert (table.loc[~mine, "label"] == table.loc[~mine, "train_label"]).all()
    oof = pd.read_parquet(run / "oof.parquet")
    assert len(oof) == 84  # neither extra people nor eval images
    assert (oof["label"].to_numpy() == table["label"].to_numpy()).all()
    for fold in metrics_of(run)["folds"]:
        assert fold["images"]["train"] == 84 - fold["images"]["held_out"] + 42 + 21
        assert fold["images"]["train_an_epoch"] > fold["images"]["train"]
    corrections.write_text("path,shot,field,value\n")
    with pytest.raises(UserError, match="other data"):
        run_of("more", *sets, on_ray=True)


def _rename_people(data: Path) -> None:
    """Other folders than those of the drawn data set, so that they are other people."""
    csv = data / "train/train.csv"
    for folder in sorted((data / "train/images").iterdir()):
        shutil.move(folder, folder.with_name(f"x{folder.name}"))
    rows = pd.read_csv(csv, dtype=str)
    rows["path"] = "x" + rows["path"]
    rows.to_csv(csv, index=False)


@pytest.mark.ray
def test_the_range_test_leaves_a_curve_and_a_picture(
    drawn: Path, tmp_path: Path, heard: Heard, one_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKCLS_CACHE", str(one_cache))
    config = resolve("smoke", sets=[*TINY, "folds.count=2"])
    found = lr_find(str(drawn), str(tmp_path / "lr"), config, heard, 1e-6, 10.0, 30)
    curve = json.loads((tmp_path / "lr/lr_find.json").read_text())
    ratios = np.diff(np.log(curve["lr"]))
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)  # one factor an update
    assert curve["lr"][0] == pytest.approx(1e-6)
    assert found.steepest in curve["lr"]
    assert (tmp_path / "lr/lr_find.png").read_bytes().startswith(b"\x89PNG")
