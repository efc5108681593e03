"""The Python interface: what it exports, what its import costs, what it refuses, how it reads a run."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import maskcls
from maskcls.config.resolve import resolve
from maskcls.interface import _sets
from maskcls.runs.settings import settings
from maskcls.store.folder import Folder
from maskcls.store.run import FOLDS, OOF, Run
from maskcls.store.tables import write_table
from tests.record_factory import epochs


def test_every_exported_name_is_there_and_no_other() -> None:
    for name in maskcls.__all__:
        assert callable(getattr(maskcls, name))
        assert getattr(maskcls, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        maskcls.fit  # noqa: B018
    assert set(maskcls.__all__) <= set(dir(maskcls))


def test_importing_it_loads_neither_torch_nor_ray() -> None:
    code = (
        "import sys, maskcls;"
        "[getattr(maskcls, name) for name in maskcls.__all__];"
        "print(sorted({'torch', 'ray', 'pandas', 'timm', 'sklearn'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_values_of_python_are_those_of_the_command_line() -> None:
    given = {
        "optim.lr": 1e-5,
        "train.epochs": 3,
        "cluster.dashboard": False,
        "optim.name": "sgd",
        "model.weights": Path("/weights/größe.safetensors"),
        "image.size": "32x24",
    }
    typed = [
        "optim.lr=1e-5", "train.epochs=3", "cluster.dashboard=false", "optim.name=sgd",
        "model.weights=/weights/größe.safetensors", "image.size=32x24",
    ]  # fmt: skip
    assert settings(sets=_sets(given)) == settings(sets=typed)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda at: maskcls.check(at / "none"), "none"),
        (lambda at: maskcls.train(at / "none", at / "run"), "none"),
        (lambda at: maskcls.train(at, at / "run", set={"optim.rl": 1}), "optim.rl"),
        (lambda at: maskcls.train(at, "s3://KEY:SECRET@bucket/run"), "bucket/run"),
        (lambda at: maskcls.study(at / "none", at / "out", ["loss.name=focal"]), "none"),
        (lambda at: maskcls.ensemble(at / "none", at / "out.csv"), "none"),
        (lambda at: maskcls.predict(at, at, at / "out.csv", set={"optim.lr": 1}), "cluster"),
        (lambda at: maskcls.open_run(at), "this is not a run's folder"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, sentence: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(maskcls.UserError, match=sentence):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_read_while_it_is_trained(tmp_path: Path) -> None:
    run = Run(Folder.at(str(tmp_path / "run")))
    run.write_config(resolve("smoke", sets=["folds.count=2"]))
    split = pd.DataFrame({"group": ["a", "b"], "repeat": [0, 0], "fold": [0, 1]})
    write_table(run.folder, FOLDS, split)
    run.fold(1).write_history(epochs(0.25, 0.5))

    view = maskcls.open_run(tmp_path / "run")
    assert repr(view) == f"maskcls.open_run('{tmp_path}/run')"
    assert view.config.folds.count == 2
    assert view.metrics is None
    assert view.history[["fold", "epoch", "score", "macro_f1"]].to_numpy().tolist() == [
        [1, 1, 0.25, 0.25],
        [1, 2, 0.5, 0.5],
    ]
    assert "metrics" not in view.history
    pd.testing.assert_frame_equal(view.folds, split)
    with pytest.raises(maskcls.UserError, match=OOF):
        view.oof  # noqa: B018
