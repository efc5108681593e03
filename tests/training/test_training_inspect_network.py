"""What cannot be built is told before anything starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
from safetensors.torch import save_file

from maskcls.config.resolve import resolve, to_json
from maskcls.core.errors import UserError
from maskcls.models.weights import clone_state
from maskcls.training.inspect_network import inspect

SMALL = ("model.backbone=test_efficientnet", "image.size=32x32")


def config(*sets: str) -> dict[str, Any]:
    return to_json(resolve("smoke", sets=[*SMALL, *sets]))


def test_network_is_described() -> None:
    found = inspect(config())
    model = timm.create_model("test_efficientnet", num_classes=0)
    head = model.num_features * 18 + 18
    assert found["parameters"] == sum(p.numel() for p in model.parameters()) + head
    assert found["channels_last"] is True
    assert found["weights_sha256"] == {}
    assert found["notes"] == []
    assert len(found["mean"]) == len(found["std"]) == 3


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
def test_what_cannot_be_built_is_told(sets: tuple[str, ...], words: str) -> None:
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
        f"model.weights={path}: the names of its tensors begin with 'module.', which is taken off"
    )
    assert list(found["weights_sha256"]) == [str(path)]


@pytest.mark.slow
def test_answers_stand_alone_on_stdout() -> None:
    question = json.dumps(config("optim.name=nothing_like_it"))
    command = [sys.executable, "-m", "maskcls.training.inspect_network"]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["fault"].startswith("optim.name: there is no 'nothing_like_it'")
