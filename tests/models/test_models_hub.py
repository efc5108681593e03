"""Where timm's weights lie once they are here, and a hash for those that lie nowhere."""

from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from torch import nn

from maskcls.models import hub


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return tmp_path


def put(cache: Path, repository: str, file: str, commit: str = "0123") -> Path:
    folder = cache / f"models--{repository.replace('/', '--')}"
    path = folder / "snapshots" / commit / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text(commit)
    return path


def test_nothing_is_found_in_an_empty_cache(cache: Path) -> None:
    assert hub.cached_file("resnet18.a1_in1k") is None


def test_safetensors_are_taken_before_a_pickle(cache: Path) -> None:
    pickled = put(cache, "timm/resnet18.a1_in1k", "pytorch_model.bin")
    assert hub.cached_file("resnet18.a1_in1k") == pickled
    safe = put(cache, "timm/resnet18.a1_in1k", "model.safetensors")
    assert hub.cached_file("resnet18.a1_in1k") == safe


def test_the_latest_commit_is_the_one_that_was_loaded(cache: Path) -> None:
    put(cache, "timm/resnet18.a1_in1k", "model.safetensors", "0123")
    new = put(cache, "timm/resnet18.a1_in1k", "model.safetensors", "4567")
    assert hub.cached_file("resnet18.a1_in1k") == new


@pytest.mark.parametrize(
    ("named", "there", "wanted"),
    [
        ("b3.safetensors", ("model.safetensors", "b3.safetensors"), "b3.safetensors"),
        (
            "open_clip_pytorch_model.bin",
            ("open_clip_model.safetensors",),
            "open_clip_model.safetensors",
        ),
        ("b3.bin", ("model.safetensors", "b3.safetensors", "b3.bin"), "b3.safetensors"),
        ("b3.bin", ("model.safetensors", "b3.bin"), "b3.bin"),
    ],
)
def test_a_file_that_timm_names_is_the_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch, named: str, there: tuple[str, ...], wanted: str
) -> None:
    config = timm.models.get_pretrained_cfg("resnet18.a1_in1k")
    config.hf_hub_filename = named
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name, **options: config)
    for file in there:
        put(cache, "timm/resnet18.a1_in1k", file)
    found = hub.cached_file("resnet18.a1_in1k")
    assert found is not None
    assert found.name == wanted


def test_weights_with_an_address_alone_lie_in_torchs_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = timm.models.get_pretrained_cfg("resnet18.a1_in1k")
    config.hf_hub_id, config.url = None, "https://host/releases/resnet18-0123.pth?download=1"
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name, **options: config)
    assert hub.cached_file("resnet18.a1_in1k") is None
    path = cache / "torch/checkpoints/resnet18-0123.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert hub.cached_file("resnet18.a1_in1k") == path


def test_the_hash_of_tensors_knows_names_types_shapes_and_values() -> None:
    def model(**tensors: torch.Tensor) -> nn.Module:
        made = nn.Module()
        for name, tensor in tensors.items():
            made.register_buffer(name, tensor)
        return made

    zero = torch.zeros(2, 3)
    states = [
        model(a=zero), model(b=zero), model(a=zero.view(3, 2)), model(a=zero.int()),
        model(a=zero + 1), model(a=zero, b=torch.tensor(1)), model(a=zero, b=torch.tensor(2)),
    ]  # fmt: skip
    assert len({hub.sha256_of_state(state) for state in states}) == len(states)
    in_order, other = (model(a=zero, b=zero + 1), model(b=zero + 1, a=zero))
    assert hub.sha256_of_state(in_order) == hub.sha256_of_state(other)
    dense = torch.randn(1, 3, 4, 4)
    lies = dense.to(memory_format=torch.channels_last)
    assert hub.sha256_of_state(model(a=dense)) == hub.sha256_of_state(model(a=lies))
