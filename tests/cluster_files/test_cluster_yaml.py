"""cluster.yaml is what Ray's launcher takes, and holds what it promises; no account, no network.

Held against the installed Ray: its schema and validation, its scheduler, its command line; and against
a simulated AWS (moto) as far as the launched machines. Start and setup commands are run with stand-ins
for ray and uv, which write down what they were given.
"""

import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

TOP = Path(__file__).parents[2]
TEXT = (TOP / "cluster.yaml").read_text(encoding="utf-8")
VARIANTS = ("aws", "gcp", "local")
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)
VERSIONS = dict(
    line.split("==")
    for line in (TOP / "ray_jobs" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line
)


def variant(name: str) -> str:
    """The file as its user makes it: only the block of this name is in force."""
    lines: list[str] = []
    block = None
    for line in TEXT.splitlines():
        if edge := re.match(r"# \[(/?)(\w+)\]", line):
            block = None if edge[1] else edge[2]
        elif block is None:
            lines.append(line)
        elif block == name:
            lines.append(line if name == "aws" else line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def config(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(variant(name))
    return read


@pytest.fixture(params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["aws", "gcp"])
def scaled(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The node types of the variants that grow and shrink."""
    types: dict[str, Any] = config(str(request.param))["available_node_types"]
    return types


# ---- what Ray makes of the file ------------------------------------------------------------------


def test_the_file_as_it_stands_is_the_one_for_aws() -> None:
    assert yaml.safe_load(TEXT) == config("aws")
    assert config("aws")["provider"]["type"] == "aws"


def test_ray_accepts_it(name: str) -> None:
    assert config(name)["provider"]["type"] == name
    validate_config(prepare_config(config(name)))


def test_ray_refuses_what_is_wrong_in_it() -> None:
    # Else the test above would show nothing.
    import jsonschema

    wrong = config("aws")
    wrong["available_node_types"]["gpu-spot"]["resources"]["GPU"] = 0.5
    with pytest.raises(jsonschema.ValidationError, match=r"0\.5"):
        validate_config(prepare_config(wrong))


def test_no_command_comes_from_rays_defaults(name: str) -> None:
    written, prepared = config(name), prepare_config(config(name))
    for key in COMMANDS:
        # Ray puts the common ones before the head's and the workers' own.
        common = written["setup_commands"] if key.endswith("r_setup_commands") else []
        common = written["setup_commands"] if key == "head_setup_commands" else common
        assert prepared[key] == [*common, *written[key]], key


def test_nothing_is_opened_to_the_world_and_nothing_is_nightly(name: str) -> None:
    prepared = yaml.safe_dump(prepare_config(config(name)))
    for word in ("0.0.0.0", "nightly", "ray-wheels", "dev0"):  # noqa: S104 (looked for)
        assert word not in prepared
        assert word not in variant(name) or word == "nightly"  # a comment warns of it


# ---- machines ------------------------------------------------------------------------------------


def test_the_head_has_no_gpu(scaled: dict[str, Any]) -> None:
    assert scaled["head"]["resources"]["GPU"] == 0
    assert scaled["head"]["resources"]["CPU"] > 0


def test_spot_and_on_demand_differ_in_nothing_but_that(scaled: dict[str, Any]) -> None:
    spot, other = scaled["gpu-spot"], scaled["gpu-on-demand"]
    assert spot["priority"] > other["priority"]
    for part in ("resources", "min_workers", "max_workers"):
        assert spot[part] == other[part]
    how = {"InstanceMarketOptions", "scheduling"}
    same = [{k: v for k, v in t["node_config"].items() if k not in how} for t in (spot, other)]
    assert same[0] == same[1]
    assert spot["node_config"] != other["node_config"]


def test_workers_start_at_none_and_end_at_five(scaled: dict[str, Any]) -> None:
    for kind in ("gpu-spot", "gpu-on-demand"):
        assert (scaled[kind]["min_workers"], scaled[kind]["max_workers"]) == (0, 5)
        assert scaled[kind]["resources"]["GPU"] == 1
    assert config("aws")["max_workers"] == 5
    assert config("aws")["idle_timeout_minutes"] > 0


def launched(wanted: int, **availability: dict[str, float]) -> Counter[str]:
    """What Ray's own scheduler starts for so many folds beside a running head, by node type."""
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil

    class Silent:
        def log_cluster_scheduling_update(self, **what: object) -> None:
            """Ray's own writes a file."""

    ray = AutoscalingConfig(config("aws"), skip_content_hash=True)
    # What a fold asks for while no GPU is there: see maskcls/cluster/plan.py.
    folds = [ResourceRequestUtil.make({"CPU": 1, "GPU": 1}) for _ in range(wanted)]
    reply = ResourceDemandScheduler(Silent()).schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=ray.get_node_type_configs(),
            max_num_nodes=ray.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count(folds),
            current_instances=[running_head()],
            **availability,
        )
    )
    return Counter({r.instance_type: r.count for r in reply.to_launch})


def running_head() -> Any:
    from ray.autoscaler.v2.schema import AutoscalerInstance
    from ray.core.generated.autoscaler_pb2 import NodeState, NodeStatus
    from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

    cpus = {"CPU": 8.0}
    return AutoscalerInstance(
        cloud_instance_id="head",
        ray_node=NodeState(
            node_id=b"head",
            instance_id="head",
            ray_node_type_name="head",
            available_resources=cpus,
            total_resources=cpus,
            status=NodeStatus.RUNNING,
        ),
        im_instance=Instance(
            instance_id="0",
            cloud_instance_id="head",
            instance_type="head",
            status=Instance.RAY_RUNNING,
            node_kind=NodeKind.HEAD,
        ),
    )


def test_ray_starts_a_spot_machine_per_fold() -> None:
    assert launched(5) == {"gpu-spot": 5}


def test_ray_takes_on_demand_machines_when_spot_failed() -> None:
    failed = {"recoverable_resource_availabilities": {"gpu-spot": 0.0, "gpu-on-demand": 1.0}}
    assert launched(5, **failed) == {"gpu-on-demand": 5}


def test_ray_comes_back_to_spot_when_that_has_recovered() -> None:
    recovered = {
        "recoverable_resource_availabilities": {"gpu-spot": 1.0, "gpu-on-demand": 1.0},
        "cloud_resource_availabilities": {"gpu-spot": 0.0, "gpu-on-demand": 1.0},
    }
    assert launched(5, **recovered) == {"gpu-spot": 5}


def test_ray_starts_no_more_than_five_machines() -> None:
    assert launched(25) == {"gpu-spot": 5}


def test_ray_starts_nothing_when_nothing_is_asked_for() -> None:
    assert launched(0) == {}


# ---- versions ------------------------------------------------------------------------------------


def test_the_mounted_files_are_the_projects_own() -> None:
    mounts = config("aws")["file_mounts"]
    assert mounts["~/maskcls/constraints.txt"] == "ray_jobs/constraints.txt"
    for local in mounts.values():
        assert local == "~/.ray/auth_token" or (TOP / local).is_file()


def test_everything_that_is_installed_has_its_version_pinned(name: str) -> None:
    with (TOP / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    assert "torch" in VERSIONS
    for text in needed:
        assert re.split(r"[\[<>=~! ]", text)[0] in VERSIONS
    for command in config(name)["head_setup_commands"]:
        packages = command.partition("constraints.txt")[2].split()
        assert packages
        for package in packages:
            assert "==" in package or package in VERSIONS


def test_the_python_is_the_one_the_versions_were_tested_with() -> None:
    constraints = (TOP / "ray_jobs" / "constraints.txt").read_text(encoding="utf-8")
    tested = re.search(r"Python (3\.\d+)", constraints)
    assert tested is not None
    assert re.findall(r"--python (3\.\d+) ", "\n".join(config("aws")["setup_commands"])) == [
        tested[1]
    ]


# ---- the commands, run with stand-ins ------------------------------------------------------------


def stand_in(path: Path) -> None:
    """A program that appends its name, arguments and what matters of its environment to calls.txt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/bash\n"
        'echo "$(basename $0) $*|$RAY_AUTH_MODE|$RAY_AUTH_TOKEN_PATH|$RAY_USAGE_STATS_ENABLED"'
        " >> $HOME/calls.txt\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def run(command: str, home: Path) -> int:
    """Run a command of the file as the launcher does on a machine, less the SSH; its exit code."""
    from ray.autoscaler._private.command_runner import _with_interactive

    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "RAY_HEAD_IP": "192.0.2.1"}
    return subprocess.run(
        ["bash", "-c", " ".join(_with_interactive(command))],  # as SSH does with these words
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # an interactive shell would want the terminal
    ).returncode


def calls(home: Path) -> list[list[str]]:
    file = home / "calls.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [line.split("|") for line in lines]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A machine that has been set up; its token is readable for all, as a careless umask leaves it."""
    stand_in(tmp_path / "maskcls" / "env" / "bin" / "ray")
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret", encoding="utf-8")
    token.chmod(0o644)
    return tmp_path


@pytest.mark.parametrize("which", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_ray_starts_with_the_token_and_keeps_it_to_itself(
    which: str, home: Path, name: str
) -> None:
    assert [run(command, home) for command in config(name)[which]] == [0, 0]
    stop, start = calls(home)
    assert stop[0] == "ray stop"
    assert start[0].startswith("ray start ")
    assert start[1:] == ["token", str(home / ".ray" / "auth_token"), "0"]
    assert (home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
    assert "secret" not in str(calls(home))


@pytest.mark.parametrize("which", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_ray_does_not_start_without_a_token(which: str, home: Path) -> None:
    (home / ".ray" / "auth_token").unlink()
    assert [run(command, home) for command in config("aws")[which]][-1] != 0
    assert [call[0] for call in calls(home)] == ["ray stop"]


@pytest.mark.parametrize("which", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_rays_own_command_line_understands_the_start(which: str, home: Path) -> None:
    from ray.scripts.scripts import start

    for command in config("aws")[which]:
        run(command, home)
    words = calls(home)[-1][0].split()[2:]
    options = start.make_context("start", words).params
    if options["head"]:
        assert options["dashboard_host"] == "127.0.0.1"
        assert options["autoscaling_config"] == "~/ray_bootstrap_config.yaml"
        assert options["port"] == 6379
    else:
        assert options["address"] == "192.0.2.1:6379"  # where the head's port is


def test_the_setup_installs_everything_in_one_command(tmp_path: Path) -> None:
    stand_in(tmp_path / ".local" / "bin" / "uv")
    for command in config("aws")["setup_commands"]:
        assert run(command, tmp_path) == 0
    made, *installed = [call[0] for call in calls(tmp_path)]
    assert made == f"uv venv --python 3.11 {tmp_path}/maskcls/env"
    assert installed == [
        f"uv pip install --python {tmp_path}/maskcls/env/bin/python"
        f" -c {tmp_path}/maskcls/constraints.txt -r {tmp_path}/maskcls/pyproject.toml"
    ]


def test_the_setup_can_be_run_again(tmp_path: Path) -> None:
    stand_in(tmp_path / ".local" / "bin" / "uv")
    stand_in(tmp_path / "maskcls" / "env" / "bin" / "python")
    for command in config("aws")["setup_commands"] * 2:
        assert run(command, tmp_path) == 0
    assert not [call for call in calls(tmp_path) if call[0].startswith("uv venv")]
    assert (tmp_path / ".bashrc").read_text(encoding="utf-8").count("export PATH") == 1


# ---- a simulated AWS -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_launcher_gets_as_far_as_running_machines_on_a_simulated_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # the launcher writes a key pair there
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    import boto3
    from moto import mock_aws
    from ray.autoscaler.tags import TAG_RAY_NODE_KIND, TAG_RAY_USER_NODE_TYPE

    with mock_aws():
        image = boto3.client("ec2", "us-west-2").describe_images()["Images"][0]["ImageId"]
        iam = boto3.client("iam", "us-west-2")
        for profile in ("maskcls-head", "maskcls-worker"):
            iam.create_instance_profile(InstanceProfileName=profile)
        filled_in = yaml.safe_load(variant("aws").replace("ami-00000000000000000", image))
        from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

        prepared = AWSNodeProvider.fillout_available_node_types_resources(prepare_config(filled_in))
        validate_config(prepared)
        ready = AWSNodeProvider.bootstrap_config(prepared)
        provider = AWSNodeProvider(ready["provider"], ready["cluster_name"])
        for kind, node_type in ready["available_node_types"].items():
            tags = {TAG_RAY_NODE_KIND: "worker", TAG_RAY_USER_NODE_TYPE: kind}
            provider.create_node(node_type["node_config"], tags, 1)
        machines = [
            machine
            for reservation in boto3.client("ec2", "us-west-2").describe_instances()["Reservations"]
            for machine in reservation["Instances"]
        ]
    kinds = {
        tag["Value"]: machine
        for machine in machines
        for tag in machine["Tags"]
        if tag["Key"] == TAG_RAY_USER_NODE_TYPE
    }
    assert kinds.keys() == ready["available_node_types"].keys()
    assert kinds["gpu-spot"]["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in kinds["gpu-on-demand"]
    assert kinds["gpu-spot"]["InstanceType"] == kinds["gpu-on-demand"]["InstanceType"]
    for kind, machine in kinds.items():
        profile = "maskcls-head" if kind == "head" else "maskcls-worker"
        assert machine["IamInstanceProfile"]["Arn"].endswith(profile)
    # What AWS says the machine has is what the file says.
    assert ready["available_node_types"]["head"]["resources"]["GPU"] == 0
    assert (tmp_path / ".ssh").is_dir()
