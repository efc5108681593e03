"""Where an attempt may run after a GPU fault, and how its workers are ended by public means."""

from pathlib import Path
from typing import Any

import pytest

from maskcls.cluster import trainer
from maskcls.config.resolve import resolve
from maskcls.config.values import Crop, Size
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.attempt import Attempt
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Run
from maskcls.training.job import FoldJob
from tests.record_factory import heartbeat
from tests.tasks import MASK

pytestmark = pytest.mark.slow  # importing Ray Train takes seconds

NEEDS = {"CPU": 1.0, "GPU": 1.0}


def node(name: str, gpus: int, alive: bool = True) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": {"CPU": 8.0, "GPU": float(gpus)}}


@pytest.mark.parametrize(
    ("nodes", "num_workers", "avoids"),
    [
        ([node("bad", 1), node("b", 1)], 1, True),
        ([node("bad", 1), node("b", 1)], 2, False),  # two workers need both
        ([node("bad", 2), node("b", 1), node("c", 1)], 2, True),
        ([node("bad", 1), node("b", 1, alive=False)], 1, False),
        ([node("bad", 1), node("b", 0)], 1, False),
    ],
)
def test_a_bad_node_is_avoided_where_the_others_have_room_for_all_workers(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, Any]], num_workers: int, avoids: bool
) -> None:
    monkeypatch.setattr(trainer.ray, "nodes", lambda: nodes)
    expected = {"ray.io/node-id": "!bad"} if avoids else None
    assert trainer._avoiding("bad", NEEDS, num_workers) == expected
    assert trainer._avoiding(None, NEEDS, num_workers) is None


def test_only_the_attempts_own_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[Heartbeat] = []
    monkeypatch.setattr(trainer, "kill_worker", killed.append)
    own, fold = Attempt.new(1), Run(Folder.at(tmp_path)).fold(0)
    place = CachePlace(tmp_path, "key", 1, Geometry(Crop(None), Size(8, 8)))
    job = FoldJob(
        str(tmp_path),
        str(tmp_path),
        0,
        resolve("smoke"),
        place,
        None,
        "cpu",
        1,
        attempt=own,
        task=MASK,
    )
    trainer._end_worker(job)  # it has not reported yet
    fold.write_heartbeat(heartbeat(token="another"))  # noqa: S106
    trainer._end_worker(job)
    assert killed == []
    fold.write_heartbeat(heartbeat(token=own.token, pid=11))
    trainer._end_worker(job)
    assert [beat.pid for beat in killed] == [11]
