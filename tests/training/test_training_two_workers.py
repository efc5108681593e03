"""Two workers that train a fold together do what one would do (gloo, in two processes)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fold_factory import TinyRun
from two_workers import ROWS, SETS, main_alone

from maskcls.training.job import PredictJob
from maskcls.training.prediction import predict_images

pytestmark = pytest.mark.slow
Found = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def run(root: Path) -> TinyRun:
    return TinyRun.write(root, SETS)


@pytest.fixture(scope="module")
def found(run: TinyRun, root: Path) -> list[Found]:
    """What each of the two workers found."""
    script = Path(__file__).with_name("two_workers.py")
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(root)], stderr=subprocess.PIPE
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, err = worker.communicate(timeout=200)
        assert worker.returncode == 0, err.decode()
    return [dict(np.load(root / f"{rank}.npz")) for rank in range(2)]


def test_parameters_are_those_of_one_worker(run: TinyRun, found: list[Found]) -> None:
    alone = main_alone(run.job.pixels)
    parameters = [name for name in alone if name.startswith("p")]
    assert len(parameters) == 4
    for name in parameters:
        np.testing.assert_allclose(found[0][name], alone[name], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(found[0][name], found[1][name])
    assert found[0]["loss"] == pytest.approx(alone["loss"], abs=1e-5)


def test_gradients_in_parts_are_those_of_the_whole_batch(run: TinyRun, found: list[Found]) -> None:
    for name in [name for name in found[0] if name.startswith("p")]:
        in_parts = found[0][f"micro_{name}"]
        np.testing.assert_allclose(in_parts, found[0][name], rtol=0, atol=1e-6)


def test_scaled_float16_gradients_are_those_of_float32_but_for_rounding(
    run: TinyRun, found: list[Found]
) -> None:
    for name in [name for name in found[0] if name.startswith("p")]:
        np.testing.assert_allclose(found[0][f"half_{name}"], found[0][name], rtol=0, atol=2e-3)
        np.testing.assert_array_equal(found[0][f"half_{name}"], found[1][f"half_{name}"])


def test_both_workers_get_all_logits_in_order(run: TinyRun, found: list[Found]) -> None:
    alone = main_alone(run.job.pixels)
    assert found[0]["logits"].shape == (len(ROWS), 18)
    np.testing.assert_allclose(found[0]["logits"], alone["logits"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found[0]["logits"], found[1]["logits"])


def test_both_workers_agree_on_the_fold(found: list[Found]) -> None:
    assert found[0]["macro_f1"] == found[1]["macro_f1"]
    assert found[0]["num_epochs_told"] == found[1]["num_epochs_told"] == 1


def test_held_out_logits_are_those_of_the_kept_network(run: TinyRun, found: list[Found]) -> None:
    # Batch norm's running statistics differ between workers unless they are aligned.
    job = PredictJob(run.checkpoints.location, "epoch-0001", run.job.pixels, "cpu", 1)
    rows, logits = predict_images(job)
    held_out, expected = run.logits("held_out/epoch-0001.parquet")
    np.testing.assert_allclose(logits[np.isin(rows, held_out)], expected, rtol=0, atol=1e-5)
