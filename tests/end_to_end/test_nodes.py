"""A head and two machines that share nothing but an S3 server; one of them is lost in the middle."""

import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskcls.store.folder import Folder
from tests.end_to_end.clusters import Cluster, Node, cluster, last_line, until
from tests.end_to_end.job_factory import logits_of, sets
from tests.object_store import Bucket, new_bucket

pytestmark = [pytest.mark.job, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

EPOCHS = 14  # long enough for a stop and a loss while it trains
PLACED = ["cluster.resources_per_worker={fake_gpu = 1}", "cluster.gpus=0"]


@pytest.fixture(scope="module")
def bucket(drawn: Path) -> Iterator[Bucket]:
    """A bucket with the drawn people in it."""
    with new_bucket() as bucket:
        bucket.take(drawn, "data")
        yield bucket


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> Iterator[Cluster]:
    """Three nodes; folds go to the two that have a fake GPU.

    bucket: before the nodes, whose processes take its credentials from the environment.
    """
    root = tmp_path_factory.mktemp("nodes")
    with cluster(root, tmp_path_factory.getbasetemp(), cpus=1) as started:
        for name in ("one", "two"):
            started.add_node(name, '{"fake_gpu": 1}')
        until(lambda: _alive(started) == 3, 90)
        yield started


def _alive(started: Cluster) -> int:
    request = urllib.request.Request(  # noqa: S310  # our own head
        f"{started.environment['RAY_API_SERVER_ADDRESS']}/api/v0/nodes",
        headers={"Authorization": f"Bearer {started.environment['RAY_AUTH_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own head
        rows = json.load(answer)["data"]["result"]["result"]
    return sum(row["state"] == "ALIVE" for row in rows)


def logits_in(run: Folder, work: Path) -> bytes:
    """All out-of-fold logits of a run in a bucket."""
    (work / "oof.parquet").write_bytes(run.read_bytes("oof.parquet"))
    return logits_of(work / "oof.parquet")


def test_machines_that_share_nothing_but_a_bucket(
    nodes: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    data, run = bucket.uri("data"), Folder.at(bucket.uri("run"))
    words = ["ray_jobs.train", data, "--run", run.location]
    done = nodes.submit(*words, *sets(*PLACED, f"train.epochs={EPOCHS}"))
    assert done.returncode == 0, done.stdout + done.stderr
    done = nodes.submit("ray_jobs.ensemble", run.location, "--out", bucket.uri("out/s.csv"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert Folder.at(bucket.uri("out")).read_text("s.csv").count("\n") == 22
    told = [run.read_json(f"fold-{k}/progress.json") for k in range(2)]
    assert told[0]["node"] != told[1]["node"]
    # Each of the two decoded the images once for itself, the head for the command.
    for node in [nodes.head, *nodes.nodes]:
        pixels = list((node.cache / "pixels").glob("*/pixels.u8"))
        assert len(pixels) == 2, node.folder  # of train and of eval
        assert node.opened
        foreign = {path for path in node.opened if not f"{path}/".startswith(f"{node.folder}/")}
        assert not foreign, f"{node.folder} read {sorted(foreign)[:3]}"


def test_new_images_are_decoded_by_the_machine_that_predicts_them(
    nodes: Cluster, bucket: Bucket, drawn: Path
) -> None:
    # With the run of the test above. One person's images alone are pixels that no machine has yet.
    person = min(path.name for path in (drawn / "train/images").iterdir() if path.is_dir())
    images = sorted(path.name for path in (drawn / "train/images" / person).iterdir())
    machines = [nodes.head, *nodes.nodes]
    before = [_decoded(node) for node in machines]
    words = [bucket.uri("run"), bucket.uri(f"data/train/images/{person}")]
    placed = [word for text in PLACED for word in ("--set", text)]
    done = nodes.submit("ray_jobs.predict", *words, "--out", bucket.uri("out/new.csv"), *placed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_line(done.stdout) == "maskcls predict: exit code 0 (good)"
    rows = pd.read_csv(io.BytesIO(Folder.at(bucket.uri("out")).read_bytes("new.csv")))
    assert rows["path"].tolist() == images
    assert rows["ans"].between(0, 17).all()
    assert np.allclose(rows[[f"p{k}" for k in range(18)]].sum(axis=1), 1, atol=1e-4)
    # The head made them for the command; it has no fake GPU, so the folds were on the others.
    head, *others = (_decoded(node) - had for node, had in zip(machines, before, strict=True))
    assert head == 1
    assert set(others) <= {0, 1}
    assert sum(others) >= 1


def _decoded(node: Node) -> int:
    """Sets of pixels that a node has made."""
    return len(list((node.cache / "pixels").glob("*/pixels.u8")))


SPACE = """
[search]
sampler = "random"
trials = 2
finalists = 1

[space]
optim.lr = [1e-9, 5e-3]
loss.name = ["cross_entropy", "focal"]
"""


def test_a_search_over_machines_goes_on_after_a_stop(nodes: Cluster, bucket: Bucket) -> None:
    # Ray Tune would keep a URI's credentials in its records, so they come by the environment.
    Folder.at(bucket.uri("spaces")).write_bytes("space.toml", SPACE.encode())
    variables = {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://{bucket.server}", "AWS_DEFAULT_REGION": "us-east-1",
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
    }  # fmt: skip
    at = f"s3://{bucket.name}"
    environment = ("--runtime-env-json", json.dumps({"env_vars": variables}))
    words = [
        "ray_jobs.tune", f"{at}/data", "--run", f"{at}/search", "--space",
        f"{at}/spaces/space.toml", *sets(*PLACED, f"train.epochs={EPOCHS}"),
    ]  # fmt: skip
    search = Folder.at(bucket.uri("search"))
    options = ("--no-wait", "--submission-id", "search", *environment)
    assert nodes.submit(*words, options=options).returncode == 0
    started = [f"trials/{k:03}/fold-0/history.jsonl" for k in range(2)]
    until(lambda: all(search.exists(name) for name in started), 180)
    told = [search.read_json(f"trials/{k:03}/fold-0/progress.json") for k in range(2)]
    assert told[0]["node"] != told[1]["node"]
    stopped = nodes.job("stop", "search")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    log = nodes.job("logs", "search").stdout
    assert last_line(log) == "maskcls tune: exit code 130 (interrupted)", log

    done = nodes.submit(*words, options=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_line(done.stdout) == "maskcls tune: exit code 0 (good)"
    table = search.read_json("trials.json")
    assert [len(row["scores"]) for row in table if row["state"] == "finished"]
    assert table[0]["out_of_fold"]["folds"]
    best = search.read_text("best.toml")
    assert f"lr = {table[0]['settings']['optim.lr']}" in best
    assert len(search.read_json("search.json")["starts"]) == 2


def test_a_lost_machine_costs_one_checkpoint_interval(
    nodes: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    data, run = bucket.uri("data"), Folder.at(bucket.uri("lost"))
    settings = sets(*PLACED, f"train.epochs={EPOCHS}")
    words = ["ray_jobs.train", data, "--run", run.location, *settings]
    options = ("--no-wait", "--submission-id", "lost")
    assert nodes.submit(*words, options=options).returncode == 0
    histories = [f"fold-{k}/history.jsonl" for k in range(2)]
    until(lambda: all(run.exists(h) for h in histories), 180)
    nodes.nodes[0].kill()
    reached = {k: len(run.read_text(histories[k]).splitlines()) for k in range(2)}
    nodes.add_node("three", '{"fake_gpu": 1}')
    until(lambda: last_line(nodes.job("logs", "lost").stdout), 280)
    log = nodes.job("logs", "lost").stdout
    assert last_line(log) == "maskcls train: exit code 0 (good)", log
    attempts = {k: run.read_json(f"fold-{k}/progress.json")["attempt"] for k in range(2)}
    assert sorted(attempts.values()) == [1, 2]
    (lost,) = (k for k, attempt in attempts.items() if attempt == 2)
    # It went on from the last checkpoint that was whole when the machine went.
    (line,) = (x for x in log.splitlines() if f"fold {lost}: resumes from checkpoint epoch-" in x)
    resumed = int(line.split("epoch-")[1][:4])
    assert resumed >= reached[lost] - 1
    assert logits_in(run, tmp_path) == logits_in(Folder.at(bucket.uri("run")), tmp_path)


def test_storage_that_only_one_machine_has_is_refused(nodes: Cluster, tmp_path: Path) -> None:
    # The machines of this test are one machine and see the same files, but for those that are
    # different for each process.
    program = """
import sys
import ray
from maskcls.cluster.plan import Machine, make_plan
from maskcls.cluster.nodes import require_shared
from maskcls.config.schema import Cluster
from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from tests.conftest import Heard
ray.init(logging_level="ERROR", log_to_driver=False)
plan = make_plan(Cluster(threads=1, resources_per_worker={"fake_gpu": 1.0}), 2, Machine(3, 0, False))
here = ray.get_runtime_context().get_node_id()
require_shared(plan, here, [(Folder.at(sys.argv[1]), "same.txt")], Heard(), "DATA")
print("the same passes")
try:
    require_shared(plan, here, [(Folder.at("/proc/self"), "environ")], Heard(), "DATA")
except UserError as e:
    print(e)
"""
    (tmp_path / "same.txt").write_text("same")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120,
        cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL,
        env={**os.environ, **nodes.environment, "RAY_ADDRESS": f"127.0.0.1:{nodes.gcs}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    passes, refused = done.stdout.splitlines()[-2:]
    assert passes == "the same passes"
    assert refused.startswith("/proc/self: not there on machine")
