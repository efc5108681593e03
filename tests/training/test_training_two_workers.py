"""Two workers that train a fold together do what one would do (gloo, in two processes)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fold_factory import NUM_STEPS, TinyRun, timeless
from two_workers import AGREE_EVERY, LONGER, ROWS, SETS, main_alone

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


def run_both(root: Path, case: str) -> list[Found]:
    """What each of the two workers found; case: of two_workers.CASES."""
    module, top = "tests.training.two_workers", Path(__file__).parents[2]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(rank), str(root), case],
            stderr=subprocess.PIPE,
            cwd=top,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, err = worker.communicate(timeout=200)
        assert worker.returncode == 0, err.decode()
    return [dict(np.load(root / f"{case}-{rank}.npz")) for rank in range(2)]


@pytest.fixture(scope="module")
def found(run: TinyRun, root: Path) -> list[Found]:
    return run_both(root, "train")


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
    assert found[0]["score"] == found[1]["score"]
    assert found[0]["num_epochs"] == found[1]["num_epochs"] == 1


def test_held_out_logits_are_those_of_the_kept_network(run: TinyRun, found: list[Found]) -> None:
    # Batch norm's running statistics differ between workers unless they are aligned.
    job = PredictJob(run.checkpoints.location, "epoch-0001", run.job.pixels, "cpu", 1)
    rows, logits = predict_images(job)
    held_out, expected = run.logits("held_out/epoch-0001.parquet")
    np.testing.assert_allclose(logits[np.isin(rows, held_out)], expected, rtol=0, atol=1e-5)


# ---- stopping and resuming together --------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(root: Path) -> list[Found]:
    assert AGREE_EVERY < NUM_STEPS
    return run_both(root, "stop")


def assert_same_fold(one: TinyRun, two: TinyRun) -> None:
    """Bit-identical but for the mean loss: its sum is added up in another order after a resumption."""
    for name in ("held_out/epoch-0001.parquet", "held_out/epoch-0002.parquet"):
        assert one.read(name) == two.read(name)
    assert one.read("eval_logits.parquet") == two.read("eval_logits.parquet")
    model = "epoch-0002/model.safetensors"
    assert one.checkpoints.read_bytes(model) == two.checkpoints.read_bytes(model)
    histories = [timeless(run.read("history.jsonl")) for run in (one, two)]
    losses = [[entry.pop("train_loss") for entry in history] for history in histories]
    assert histories[0] == histories[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_all_workers_stop_at_the_same_step_with_a_checkpoint(
    root: Path, stopped: list[Found]
) -> None:
    name = f"epoch-0000-step-{AGREE_EVERY:06d}"
    for found in stopped:
        assert str(found["asked_0"]) == f"fold 0 stopped after checkpoint {name}"
        assert found["asked_0_steps"].tolist() == [[0, step + 1] for step in range(AGREE_EVERY)]
        assert found["asked_0_said"].tolist() == [f"resumes from checkpoint {name}"]
        assert found["asked_0_first"][0, :2].tolist() == [0, AGREE_EVERY + 1]


def test_resumed_they_end_bit_identical(root: Path, stopped: list[Found]) -> None:
    one, two = (TinyRun.write(root / name, LONGER) for name in ("whole", "asked-0"))
    assert one.files.is_done
    assert_same_fold(one, two)


def test_what_another_worker_than_the_first_is_asked_does_not_count(
    root: Path, stopped: list[Found]
) -> None:
    for found in stopped:
        assert str(found["asked_1"]) == ""
        assert len(found["asked_1_steps"]) == 2 * NUM_STEPS


@pytest.mark.parametrize(
    ("sees", "name", "steps"), [(0, "epoch-0001", NUM_STEPS), (1, "epoch-0002", 0)]
)
def test_all_workers_resume_from_what_the_first_one_sees(
    root: Path, stopped: list[Found], view: list[Found], sees: int, name: str, steps: int
) -> None:
    assert view[0][f"sees_{sees}_said"].tolist()[-1] == f"resumes from checkpoint {name}"
    assert view[1][f"sees_{sees}_said"].tolist() == [f"resumes from checkpoint {name}"]
    assert [int(found[f"sees_{sees}_steps"]) for found in view] == [steps, steps]
    one, two = (TinyRun.write(root / name, LONGER) for name in ("whole", f"sees-{sees}"))
    assert_same_fold(one, two)


@pytest.fixture(scope="module")
def view(root: Path) -> list[Found]:
    return run_both(root, "view")
