"""What cannot be built is reported before anything starts."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from maskcls.config.resolve import resolve, to_json
from maskcls.core.errors import UserError
from maskcls.models import hub
from maskcls.models.weights import clone_state
from maskcls.training.inspect_network import Inspected
from maskcls.training.inspect_network import inspect as inspect_for
from tests.tasks import FRUIT, MASK

SMALL = ("model.backbone=test_efficientnet", "image.size=32x32")


def config(*sets: str) -> dict[str, Any]:
    return to_json(resolve("smoke", sets=[*SMALL, *sets]))


def inspect(config_json: dict[str, Any]) -> Inspected:
    return inspect_for(config_json, MASK)


def test_network_is_described() -> None:
    found = inspect(config())
    model = timm.create_model("test_efficientnet", num_classes=0)
    head = model.num_features * 18 + 18
    assert found["parameters"] == sum(p.numel() for p in model.parameters()) + head
    assert found["channels_last"] is True
    assert found["weights_sha256"] == {}
    assert found["notes"] == []
    assert len(found["mean"]) == len(found["std"]) == 3


def test_the_head_is_of_the_tasks_classes() -> None:
    whole, few = (inspect_for(config(), task)["parameters"] for task in (MASK, FRUIT))
    features = timm.create_model("test_efficientnet", num_classes=0).num_features
    assert whole - few == (18 - 4) * (features + 1)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (("model.backbone=test_efficientnett",), "did you mean test_efficientnet?"),
        (("optim.name=adamm",), "optim.name: there is no 'adamm'"),
        (("loss.cross_entropy.smoothing=2",), "loss.cross_entropy.smoothing: should be less"),
        (("model.weights=/nowhere/a.safetensors",), "there is no such file"),
        (("model.backbone=vit_tiny_patch16_224", "image.size=8x8"), "8x8"),
        (
            ("train.micro_batch_size=1",),
            "train.micro_batch_size=1: test_efficientnet at 32x32 normalises over the images of a pass",
        ),
    ],
)
def test_what_cannot_be_built_is_reported(sets: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError) as raised:
        inspect(config(*sets))
    assert words in str(raised.value)


def test_passes_of_one_image_are_taken_where_the_network_takes_them() -> None:
    inspect(config("train.micro_batch_size=1", "model.backbone=test_vit"))
    inspect(config("train.micro_batch_size=1", "image.size=64x64"))


def test_a_deprecated_name_is_built_as_its_replacement_and_noted() -> None:
    found = inspect(config("model.backbone=convnext_tiny_in22k", "model.weights=none"))
    model = timm.create_model("convnext_tiny.fb_in22k", num_classes=0)
    head = model.num_features * 18 + 18
    assert found["parameters"] == sum(p.numel() for p in model.parameters()) + head
    assert found["notes"] == [
        "model.backbone=convnext_tiny_in22k: timm has replaced this name by convnext_tiny.fb_in22k,"
        " which is used"
    ]


def test_weights_that_were_renamed_on_reading_are_noted_once(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    tensors = clone_state(timm.create_model("test_efficientnet"))
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, path)
    found = inspect(config("head.name=separate", f"model.weights={path}"))
    (note,) = found["notes"]
    assert note == (
        f"model.weights={path}: the names of its tensors begin with 'module.', which is removed"
    )
    assert list(found["weights_sha256"]) == [str(path)]


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache with the weights of one backbone; returns their file."""
    repository = tmp_path / "models--timm--test_efficientnet.r160_in1k"
    file = repository / "snapshots/0123/model.safetensors"
    file.parent.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0123")
    torch.manual_seed(5)
    save_file(clone_state(timm.create_model("test_efficientnet")), file)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return file


@pytest.mark.parametrize("name", ["test_efficientnet", "hf-hub:timm/test_efficientnet.r160_in1k"])
def test_weights_of_the_hub_are_recorded_by_their_files_hash(hub_cache: Path, name: str) -> None:
    found = inspect(config(f"model.backbone={name}", "model.weights=hub"))
    digest = hashlib.sha256(hub_cache.read_bytes()).hexdigest()
    assert found["weights_sha256"] == {"hub:test_efficientnet.r160_in1k": digest}


def test_weights_of_the_hub_whose_file_is_elsewhere_are_recorded_by_their_tensors(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "cached_file", lambda name: None)
    found = inspect(config("model.weights=hub"))["weights_sha256"]
    assert list(found) == ["hub-state:test_efficientnet.r160_in1k"]
    assert inspect(config("model.weights=hub", "train.seed=3"))["weights_sha256"] == found
    tensors = load_file(hub_cache)
    tensors["conv_stem.weight"][0, 0, 0, 0] += 1
    save_file(tensors, hub_cache)
    assert inspect(config("model.weights=hub"))["weights_sha256"] != found


def test_each_backbone_of_a_head_is_recorded_where_its_weights_come_from(
    hub_cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.safetensors"
    save_file(clone_state(timm.create_model("test_resnet")), path)
    sets = ["head.name=separate", "model.weights=hub", "head.separate.mask_weights=none"]
    own = ["head.separate.age_backbone=test_resnet", f"head.separate.age_weights={path}"]
    found = inspect(config(*sets, *own))["weights_sha256"]
    assert found == {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest(),
        "hub:test_efficientnet.r160_in1k": hashlib.sha256(hub_cache.read_bytes()).hexdigest(),
    }


def test_nan_in_weights_of_the_hub_is_refused(hub_cache: Path) -> None:
    tensors = load_file(hub_cache)
    tensors["bn1.bias"][0] = float("nan")
    save_file(tensors, hub_cache)
    with pytest.raises(UserError) as raised:
        inspect(config("model.weights=hub"))
    assert str(raised.value).startswith(
        "model.weights=hub, test_efficientnet: tensor bn1.bias holds NaN or inf (1 of "
    )


@pytest.mark.slow
def test_stdout_holds_nothing_but_the_answer() -> None:
    own = config("optim.name=nothing_like_it")
    question = json.dumps({"config": own, "task": FRUIT.to_json()})
    command = [sys.executable, "-m", "maskcls.training.inspect_network"]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["error"].startswith("optim.name: there is no 'nothing_like_it'")
    assert answer["transient"] is False
