"""The main job on real Ray, once: train, ensemble, predict, and what is refused afterwards."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from maskcls.commands.ensemble import ensemble
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, UserError
from tests.conftest import Heard
from tests.end_to_end.job_factory import TINY, maskcls

pytestmark = pytest.mark.ray


def test_every_image_is_held_out_once_and_the_metrics_are_scikit_learns(finished: Path) -> None:
    oof = pd.read_parquet(finished / "oof.parquet")
    folds = pd.read_parquet(finished / "folds.parquet").set_index("group")["fold"]
    assert len(oof) == 84
    assert oof["image"].is_unique
    assert (oof["fold"] == oof["group"].map(folds)).all()
    predicted = np.stack(oof["logits"].to_list()).argmax(1)
    metrics = json.loads((finished / "metrics.json").read_text())
    expected = f1_score(oof["label"], predicted, average="macro", labels=range(18), zero_division=0)
    assert metrics["oof"]["macro_f1"] == pytest.approx(expected)


def test_the_submission_is_the_mean_of_the_folds_in_info_csvs_order(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    done = ensemble([str(finished)], str(tmp_path / "s.csv"), heard, decide="argmax")
    assert done.exit_code == Exit.GOOD
    submission = pd.read_csv(tmp_path / "s.csv")
    info = pd.read_csv(drawn / "eval/info.csv")
    assert submission["ImageID"].tolist() == info["ImageID"].tolist()
    evals = pd.read_parquet(finished / "eval.parquet")
    mean = evals.groupby("image")["logits"].apply(lambda s: np.stack(s.to_list()).mean(0).argmax())
    assert submission["ans"].tolist() == [mean[name] for name in info["ImageID"]]
    provenance = json.loads((tmp_path / "s.csv.provenance.json").read_text())
    assert len(provenance["members"]) == 2
    assert all(f["model_sha256"] for f in provenance["runs"][0]["folds"])


def test_a_missing_fold_is_refused_unless_allowed_and_then_said(
    finished: Path, tmp_path: Path, heard: Heard
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(UserError, match="same network as"):
        ensemble([str(finished), str(run)], str(tmp_path / "s.csv"), heard)
    (run / "fold-1/fold.json").unlink()
    with pytest.raises(UserError, match="fold 1 of 2 is not done"):
        ensemble([str(run)], str(tmp_path / "s.csv"), heard)
    done = ensemble([str(run)], str(tmp_path / "s.csv"), heard, allow_missing_folds=True)
    assert done.exit_code == Exit.DEGRADED
    assert done.provenance["runs"][0]["missing_folds"] == [1]
    assert len(done.provenance["members"]) == 1


def test_predict_gives_the_ensembles_answers(finished: Path, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    # info.csv is a CSV of images, too: its ImageIDs lie in the folder images beside it. (A folder of
    # images is predicted in test_nodes.)
    images = drawn / "eval/info.csv"
    done = maskcls("predict", str(finished), str(images), "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(out).set_index("path")
    assert found.index.tolist() == pd.read_csv(images)["ImageID"].tolist()
    evals = pd.read_parquet(finished / "eval.parquet")
    mean = evals.groupby("image")["logits"].apply(lambda s: np.stack(s.to_list()).mean(0).argmax())
    assert {name: found.loc[name, "ans"] for name in mean.index} == mean.to_dict()
    assert np.allclose(found[[f"p{k}" for k in range(18)]].sum(axis=1), 1, atol=1e-4)


def test_a_finished_run_trains_nothing_and_other_settings_or_data_are_refused(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.safetensors")}
    done = train(str(drawn), str(finished), resolve("smoke", None, TINY), heard)
    assert done.exit_code == Exit.GOOD
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*.safetensors")} == before
    with pytest.raises(UserError, match=r"optim\.lr: 0\.001 there, 0\.5 now"):
        train(str(drawn), str(finished), resolve("smoke", None, [*TINY, "optim.lr=0.5"]), heard)
    import shutil

    changed = tmp_path / "changed"
    shutil.copytree(drawn, changed)
    image = next((changed / "train/images").rglob("normal.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"other data.*fingerprint"):
        train(str(changed), str(finished), resolve("smoke", None, TINY), heard)


@pytest.mark.parametrize("which", ["checkpoint", "epochs"])
def test_logits_that_nothing_can_make_again_are_told_and_nothing_is_deleted(
    finished: Path, drawn: Path, tmp_path: Path, heard: Heard, which: str
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "fold-1/eval_logits.parquet").unlink()
    before = (run / "fold-1/fold.json").read_bytes()
    done = json.loads(before)
    # Without the last one, epochs would be trained again.
    name = {"checkpoint": done["checkpoint"], "epochs": f"epoch-{done['epochs']:04d}"}[which]
    shutil.rmtree(run / "fold-1/checkpoints" / name)
    with pytest.raises(
        UserError, match=rf"fold-1: its logits are gone, and checkpoint {name}, which"
    ):
        train(str(drawn), str(run), resolve("smoke", None, TINY), heard)
    assert (run / "fold-1/fold.json").read_bytes() == before
