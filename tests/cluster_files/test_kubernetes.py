"""The RayJob manifest agrees with the project, and its validator finds what a server would refuse."""

import copy
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from maskcls.cli.main import _parser
from maskcls.config.resolve import resolve

TOP = Path(__file__).parents[2]
FOLDER = TOP / "docs" / "kubernetes"
JOB: dict[str, Any] = yaml.safe_load((FOLDER / "rayjob.yaml").read_text(encoding="utf-8"))
CLUSTER = JOB["spec"]["rayClusterSpec"]
HEAD = CLUSTER["headGroupSpec"]["template"]["spec"]
(WORKERS,) = CLUSTER["workerGroupSpecs"]
WORKER = WORKERS["template"]["spec"]
CONSTRAINTS = (TOP / "ray_jobs" / "constraints.txt").read_text(encoding="utf-8")


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.M)
    assert match is not None, pattern
    return match[1]


RAY = found(r"^ray==(.*)$", CONSTRAINTS)
PYTHON = found(r"Python (3\.\d+)", CONSTRAINTS).replace(".", "")


# ---- agreement with the project ------------------------------------------------------------------


def test_ray_is_the_projects() -> None:
    assert CLUSTER["rayVersion"] == RAY


def test_all_pods_have_the_image_that_the_dockerfile_makes() -> None:
    with (TOP / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    images = {container["image"] for pod in (HEAD, WORKER) for container in pod["containers"]}
    assert images == {f"registry.example.com/maskcls:{version}-ray{RAY}-py{PYTHON}"}
    for page in ("Dockerfile", "README.md"):
        text = (FOLDER / page).read_text(encoding="utf-8")
        assert set(re.findall(r"registry\.example\.com/\S+", text)) == images


def test_the_dockerfile_builds_on_the_same_ray_and_python_and_installs_by_the_constraints() -> None:
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (.*)$", text, re.M) == [f"rayproject/ray:{RAY}-py{PYTHON}-gpu"]
    installs = re.findall(r"pip install .*", text)
    assert len(installs) == 1
    assert "-c ray_jobs/constraints.txt ." in installs[0]
    for line in re.findall(r"^COPY --chown=\S+ (.*)$", text, re.M):
        for name in line.split()[:-1]:
            assert (TOP / name).exists(), name


def test_the_entrypoint_is_understood() -> None:
    python, flag, module, *words = shlex.split(JOB["spec"]["entrypoint"])
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None
    verb = module.rpartition(".")[2]
    args = _parser([verb]).parse_args([verb, *words])
    settings = resolve(args.preset, args.config, args.sets)
    # No GPU is there at the start, so the job must say how many will come.
    assert settings.cluster.gpus == WORKERS["maxReplicas"]


def test_the_entrypoint_survives_kuberays_shell() -> None:
    # KubeRay 1.7 writes it, unquoted, into `if ...; then ray job submit ... -- HERE ; fi ; ...`.
    assert not set(JOB["spec"]["entrypoint"]) & set("&;|<>$`()\n")


# ---- structure -----------------------------------------------------------------------------------


def test_the_head_has_no_gpu_and_each_worker_one() -> None:
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-gpus"] == "0"
    assert "nvidia.com/gpu" not in str(HEAD)
    for kind in ("requests", "limits"):
        assert WORKER["containers"][0]["resources"][kind]["nvidia.com/gpu"] == "1"


def test_workers_come_and_go_by_themselves() -> None:
    assert (WORKERS["minReplicas"], WORKERS["maxReplicas"]) == (0, 5)
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert JOB["spec"]["shutdownAfterJobFinishes"] is True


def test_a_token_is_asked_for_and_no_secret_is_written_down() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token"}
    for pod in (HEAD, WORKER):
        (container,) = pod["containers"]
        assert {entry["name"] for entry in container["env"]} == {
            "MASKCLS_CACHE",
            "RAY_USAGE_STATS_ENABLED",
        }
        assert [list(source) for source in container["envFrom"]] == [["secretRef"]]


def test_head_and_workers_decode_into_a_volume_of_their_own() -> None:
    for pod in (HEAD, WORKER):
        (container,) = pod["containers"]
        cache = {e["name"]: e["value"] for e in container["env"]}["MASKCLS_CACHE"]
        (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == cache]
        (volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
        assert "emptyDir" in volume


# ---- the validator -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("validate", FOLDER / "validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DEFINITION: dict[str, Any] = yaml.safe_load("""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.com}
spec:
  group: example.com
  names: {kind: Box, plural: boxes}
  versions:
    - name: v1alpha1
      served: false
      schema: {openAPIV3Schema: {type: object}}
    - name: v1
      served: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              required: [size, colour]
              properties:
                size: {type: integer, minimum: 1}
                colour: {type: string, enum: [red, blue], default: red}
                note: {type: string, nullable: true}
                empty: {type: object}
                anything: {type: object, x-kubernetes-preserve-unknown-fields: true}
                parameters: {type: object, additionalProperties: {type: string}}
                limit:
                  x-kubernetes-int-or-string: true
                  anyOf: [{type: integer}, {type: string}]
                  pattern: ^[0-9]+(m|Gi)?$
                ports:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [number, protocol]
                  items:
                    type: object
                    required: [number]
                    properties:
                      number: {type: integer}
                      protocol: {type: string, default: TCP}
""")
BOX: dict[str, Any] = yaml.safe_load("""
apiVersion: example.com/v1
kind: Box
metadata: {name: mine, labels: {a: b}}
spec:
  size: 2
  note: null
  anything: {goes: [1, two]}
  parameters: {num-gpus: "0"}
  limit: 500m
  ports: [{number: 53}, {number: 53, protocol: UDP}]
""")


def test_what_fits_is_accepted(validate: ModuleType) -> None:
    assert validate.problems(DEFINITION, BOX) == []


@pytest.mark.parametrize("limit", [4, "4", "28Gi"])
def test_a_quantity_may_be_a_number_or_a_text(validate: ModuleType, limit: object) -> None:
    box = copy.deepcopy(BOX)
    box["spec"]["limit"] = limit
    assert validate.problems(DEFINITION, box) == []


def change(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda box: box["spec"].update(fields)


@pytest.mark.parametrize(
    ("spoil", "where", "what"),
    [
        (change(seize=2), "spec", "'seize' was unexpected"),
        (change(empty={"a": 1}), "spec.empty", "'a' was unexpected"),
        (change(ports=[{"number": 1, "n": 2}]), "spec.ports.0", "'n' was unexpected"),
        (change(size="2"), "spec.size", "not of type 'integer'"),
        (change(size=0), "spec.size", "less than the minimum"),
        (change(colour="green"), "spec.colour", "not one of"),
        (change(colour=None), "spec.colour", "not of type 'string'"),
        (change(parameters={"num-gpus": 0}), "spec.parameters.num-gpus", "not of type 'string'"),
        (change(limit="much"), "spec.limit", "does not match"),
        (change(limit=0.5), "spec.limit", "not of type"),
        (change(ports=[{}]), "spec.ports.0", "'number' is a required property"),
        (
            change(ports=[{"number": 1}, {"number": 1, "protocol": "TCP"}]),
            "spec.ports",
            "number 1, protocol TCP is there twice",
        ),
        (lambda box: box["spec"].pop("size"), "spec", "'size' is a required property"),
        (lambda box: box.pop("spec"), "the document", "'spec' is a required property"),
        (lambda box: box.update(more=1), "the document", "'more' was unexpected"),
        (lambda box: box.update(apiVersion="example.com/v1alpha1"), "apiVersion", "not served"),
    ],
)
def test_what_a_server_would_refuse_or_drop_is_told_with_its_place(
    validate: ModuleType, spoil: Callable[[dict[str, Any]], object], where: str, what: str
) -> None:
    box = copy.deepcopy(BOX)
    spoil(box)
    lines = validate.problems(DEFINITION, box)
    assert {line.partition(": ")[0] for line in lines} == {where}
    assert what in "\n".join(lines)


def test_the_command_tells_by_its_exit_code(
    validate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition, manifest = tmp_path / "crd.yaml", tmp_path / "box.yaml"
    definition.write_text(yaml.safe_dump(DEFINITION), encoding="utf-8")
    words = [str(definition), str(manifest)]
    secret = {"apiVersion": "v1", "kind": "Secret"}

    manifest.write_text(yaml.safe_dump_all([secret, BOX]), encoding="utf-8")
    assert validate.main(words) == 0
    manifest.write_text(yaml.safe_dump({**BOX, "spec": {"size": 0}}), encoding="utf-8")
    assert validate.main(words) == 1
    assert "spec.size: 0 is less than the minimum of 1" in capsys.readouterr().out
    manifest.write_text(yaml.safe_dump(secret), encoding="utf-8")
    assert validate.main(words) == 2
    assert "holds no Box" in capsys.readouterr().err
    assert validate.main([str(tmp_path / "none.yaml")]) == 2
    assert validate.main([str(manifest)]) == 2
    assert validate.main([]) == 2
