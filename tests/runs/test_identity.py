"""A run is not resumed as another one."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.config.resolve import resolve, to_json
from maskcls.core.errors import UserError
from maskcls.folds.assign import assign_folds, fold_table
from maskcls.runs import identity as run_identity
from maskcls.store.folder import Folder
from maskcls.store.record import Described
from maskcls.store.run import Network, Run
from maskcls.store.tables import write_table
from tests.tasks import MASK


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / ".tmp-other").write_text("mine too")
    with pytest.raises(UserError, match="not empty and is not a run"):
        Run.at(str(tmp_path)).refuse_other_content()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-other", "thesis.txt"]


def network_with(weights_sha256: dict[str, str]) -> Network:
    return Network(5, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), False, weights_sha256)


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    # A head with separate networks has several files.
    files = [tmp_path / name for name in ("mask.safetensors", "age.safetensors")]
    for file in files:
        file.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    network = network_with({str(file): digest for file in files})
    run = Folder.at(tmp_path / "run")
    run_identity.refuse_other_weights(run, network)
    run_identity.refuse_other_weights(run, network_with({}))
    from_hub = {"hub:resnet18.a1_in1k": digest, "hub-state:resnet26.bt_in1k": digest}
    run_identity.refuse_other_weights(run, network_with(from_hub))
    files[1].write_bytes(b"two")
    with pytest.raises(UserError, match=r"other weights in .*age\.safetensors"):
        run_identity.refuse_other_weights(run, network)
    files[1].unlink()
    with pytest.raises(
        UserError, match=r"age\.safetensors: the weights .* no longer exist; put them back"
    ):
        run_identity.refuse_other_weights(run, network)


def people(count: int = 9) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": [f"p{number}" for number in range(count)],
            "gender": np.zeros(count, np.int8),
            "age": np.zeros(count, np.int8),
        }
    )


def test_folds_that_were_changed_are_refused(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path))
    folds = fold_table(people(), MASK, assign_folds(people(), MASK, 3, 0))
    write_table(run.folder, "folds.parquet", folds)
    run_identity.refuse_other_folds(run, folds)
    another = folds.assign(fold=folds["fold"].to_numpy()[::-1])
    more = pd.concat([folds, folds.assign(repeat=np.int16(1))])
    one = folds.assign(fold=np.where(folds["group"] == "p4", 7, folds["fold"]))
    p0, p4 = (folds.set_index("group")["fold"][name] for name in ("p0", "p4"))
    for expected, difference in (
        (one, f"row 5, group p4: fold {p4} there, 7 expected"),
        (another, rf"row 1, group p0: fold {p0} there, \d expected, and \d more rows"),
        (more, "9 rows there, 18 expected"),
        (folds.iloc[:-1], "9 rows there, 8 expected"),
        (folds.rename(columns={"group": "path"}), "columns group, .* there, path, .* expected"),
    ):
        with pytest.raises(UserError, match=rf"not the folds that these groups .*\({difference}"):
            run_identity.refuse_other_folds(run, expected)


def test_folds_of_a_version_without_repeats_are_refused(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path))
    folds = fold_table(people(), MASK, assign_folds(people(), MASK, 3, 0))
    write_table(run.folder, "folds.parquet", folds.drop(columns="repeat"))
    with pytest.raises(UserError, match="another version made it"):
        run_identity.refuse_other_folds(run, folds)


def test_other_data_and_other_inputs_are_refused_by_name(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path))
    old: Described = {"location": "/a", "images": 84, "fingerprint": "x"}
    run_identity.refuse_other_data(run, old, old | {"location": "/moved"})
    with pytest.raises(UserError, match=r"\(fingerprint: x there, y now\)"):
        run_identity.refuse_other_data(run, old, old | {"fingerprint": "y"})
    with pytest.raises(UserError, match=r"\(corrections: None there, z now\)"):
        run_identity.refuse_other_data(run, old, old | {"corrections": "z"})
    with pytest.raises(UserError, match=r"\(corrections: z there, None now\)"):
        run_identity.refuse_other_data(run, old | {"corrections": "z"}, old)


def test_a_setting_that_came_later_has_its_default_in_an_older_run(tmp_path: Path) -> None:
    run, config = Run.at(str(tmp_path)), resolve("smoke")
    old = to_json(config)
    del old["optim"]["weight_decay"]
    run.folder.write_json("config.json", old)
    run_identity.refuse_other_settings(run, config)
    with pytest.raises(UserError, match=r"optim\.weight_decay: 0\.0 there, 0\.1 now"):
        run_identity.refuse_other_settings(run, resolve("smoke", None, ["optim.weight_decay=0.1"]))


def test_placement_may_change_and_a_choices_settings_may_not(tmp_path: Path) -> None:
    run = Run.at(str(tmp_path))
    run.write_config(resolve("smoke", None, ["loss.name=focal"]))
    same = ["loss.name=focal", "cluster.gpus=0", "train.checkpoint_s=5"]
    run_identity.refuse_other_settings(run, resolve("smoke", None, same))
    other = resolve("smoke", None, ["loss.name=focal", "loss.focal.gamma=5.0"])
    with pytest.raises(UserError, match=r"loss\.focal\.gamma: 2\.0 there, 5\.0 now"):
        run_identity.refuse_other_settings(run, other)
