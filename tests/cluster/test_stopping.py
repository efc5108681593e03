"""A Train run that is stopped from another thread, by Ray's internals and without them.

The Rays of these tests come from maskcls.cluster.ray_internals.start, with and without the internal.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maskcls.cluster.ray_internals import SWITCH
from maskcls.cluster.session import ray_session
from tests.conftest import Heard
from tests.record_factory import heartbeat

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def _sleeper() -> Callable[[dict[str, str]], None]:
    """A worker that would never end; a function in a function, which Ray sends whole."""

    def report_and_sleep(config: dict[str, str]) -> None:
        import ray

        node = ray.get_runtime_context().get_node_id()
        Path(config["file"] + ".new").write_text(f"{os.getpid()} {node}")
        Path(config["file"] + ".new").rename(config["file"])
        time.sleep(600)

    return report_and_sleep


class Fit:
    """A fit in a thread."""

    def __init__(self, folder: Path, name: str) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from maskcls.cluster.ray_internals.train import FoldTrainer

        self.file = folder / name
        self.error: BaseException | None = None
        self.ended_publicly = False
        self.trainer = FoldTrainer(
            1,
            True,
            self._end_worker,
            train_loop_per_worker=_sleeper(),
            train_loop_config={"file": str(self.file)},
            scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 0.1}),
            run_config=RunConfig(
                name=name,
                storage_path=str(folder / "train"),
                failure_config=FailureConfig(max_failures=0),
            ),
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.trainer.fit()
        except BaseException as error:
            self.error = error

    def _end_worker(self) -> None:
        from maskcls.cluster.supervisor import kill_worker

        self.ended_publicly = True
        pid, node = self.file.read_text().split()
        kill_worker(heartbeat(pid=int(pid), node=node))

    @property
    def pid(self) -> int:
        """The worker's process."""
        return int(self.file.read_text().split()[0])


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.1)


def _no_such_call() -> dict[str, str]:
    raise TypeError("missing a required argument")


def test_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    with ray_session(tmp_path, False, Heard()) as session:
        # Without _temp_dir, Ray's files are below our folder, too.
        assert session.temporary is not None
        assert list(session.temporary.glob("ray/session_2*"))
        public = Fit(tmp_path, "public")
        monkeypatch.delenv(SWITCH)
        fits: dict[str, Any] = {"public": public, "internal": Fit(tmp_path, "internal")}
        from ray.train.v2._internal import constants

        monkeypatch.setattr(constants, "get_env_vars_to_propagate", _no_such_call)
        fits["changed"] = Fit(tmp_path, "changed")
        _wait_until(lambda: all(fit.file.exists() or fit.error for fit in fits.values()), 300)
        assert {name: fit.error for name, fit in fits.items()} == dict.fromkeys(fits)
        pids = [fit.pid for fit in fits.values()]
        for fit in fits.values():
            fit.trainer.stop()
        for fit in fits.values():
            fit.thread.join(60)
        assert {name: fit.thread.is_alive() for name, fit in fits.items()} == dict.fromkeys(
            fits, False
        )
        assert all(fit.error is not None for fit in fits.values())
        assert {name: fit.ended_publicly for name, fit in fits.items()} == {
            "public": True, "internal": False, "changed": True,
        }  # fmt: skip
        _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30)


def test_a_prediction_that_reports_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskcls.cluster import tasks
    from maskcls.cluster.plan import Machine
    from maskcls.config.schema import Cluster
    from maskcls.core.errors import RunFailed

    def silent(*arguments: Any) -> Any:  # a function in a function, which Ray sends whole
        yield 0
        time.sleep(600)

    monkeypatch.setattr(tasks, "_predict", silent)
    monkeypatch.setattr(tasks, "_LOOK_EVERY_S", 0.2)
    plan = tasks.plan_predicting(Cluster(), [1], Machine(1, 0, True))
    with ray_session(tmp_path, False, Heard()):
        source = tasks.Source("images", pd.Series(["a.jpg"]), "a.jpg", str(tmp_path))
        job: Any = None  # the silent one does not look at it
        with pytest.raises(RunFailed, match=r"fold 0 has reported nothing for .* cluster\.stall_s"):
            tasks.predict_folds([job], plan, None, source, Heard(), stall_s=3.0)
