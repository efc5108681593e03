"""Weights files: prefixes of their names, and what is refused."""

from pathlib import Path

import pytest
import torch
from network_factory import build, describe
from safetensors.torch import save_file
from weights_factory import State, given, load, refusal

from maskcls.core.errors import UserError
from maskcls.models import weights


def written(folder: Path, tensors: State) -> Path:
    save_file(tensors, folder / "own.safetensors")
    return folder / "own.safetensors"


def test_a_files_own_names_are_not_reported(tmp_path: Path) -> None:
    assert load(written(tmp_path, given()))[1] == []


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "backbone.", "state_dict.", "module._orig_mod.", "0."]
)
def test_one_common_prefix_is_removed_and_reported(tmp_path: Path, prefix: str) -> None:
    path = written(tmp_path, {prefix + name: tensor for name, tensor in given().items()})
    found, notes = load(path)
    expected = given()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    assert notes == [
        f"model.weights={path}: the names of its tensors begin with {prefix!r}, which is removed"
    ]


def test_a_checkpoint_of_this_program_is_weights(tmp_path: Path) -> None:
    network = build(describe(), seed=3)
    path = written(tmp_path, weights.clone_state(network))
    found, notes = load(path)
    assert all(torch.equal(t, network.backbone.state_dict()[name]) for name, t in found.items())
    (note,) = notes
    assert note.endswith(
        "begin with 'backbone.', which is removed; 2 other tensors are left out, such as"
        " head.linear.bias"
    )


def test_a_checkpoint_with_several_backbones_that_fit_is_refused(tmp_path: Path) -> None:
    network = build(describe("separate", separate={}))
    path = written(tmp_path, weights.clone_state(network))
    assert refusal(path) == (
        f"model.weights={path}: holds several backbones that fit, under backbone.parts.0. and"
        " backbone.parts.1. and backbone.parts.2.; write the tensors of one of them to a file of its"
        " own."
    )


def test_the_one_backbone_that_fits_is_found_among_others(tmp_path: Path) -> None:
    network = build(describe("separate"))  # of three architectures
    found, notes = load(written(tmp_path, weights.clone_state(network)))
    assert torch.equal(found["conv_stem.weight"], network.backbone.parts[0].conv_stem.weight)  # type: ignore[index]
    assert "'backbone.parts.0.'" in notes[0]


def test_a_prefix_on_some_of_the_names_does_not_fit(tmp_path: Path) -> None:
    tensors = given()
    tensors["module.conv_stem.weight"] = tensors.pop("conv_stem.weight")
    assert "1 tensors missing, 1 unknown" in refusal(written(tmp_path, tensors))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["conv_stem.weight", "bn1.running_var"])
def test_nan_and_inf_are_refused_by_the_tensors_name(
    tmp_path: Path, value: float, name: str
) -> None:
    tensors = given()
    tensors[name].view(-1)[1] = value
    path = written(tmp_path, tensors)
    assert refusal(path) == (
        f"model.weights={path}: tensor {name} holds NaN or inf (1 of"
        f" {tensors[name].numel():,} values); use other weights."
    )


def test_what_is_finite_in_the_file_alone_is_refused(tmp_path: Path) -> None:
    tensors = given()
    tensors["conv_stem.weight"] = tensors["conv_stem.weight"].double()
    tensors["conv_stem.weight"].view(-1)[0] = 1e300
    assert "tensor conv_stem.weight holds NaN or inf" in refusal(written(tmp_path, tensors))


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    tensors = given()
    tensors["conv_stem.weight"] = tensors["conv_stem.weight"].mul(127).to(torch.int8)
    assert "tensor conv_stem.weight holds int8 and not floats" in refusal(
        written(tmp_path, tensors)
    )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_another_width_are_taken(tmp_path: Path, kind: torch.dtype) -> None:
    tensors = {n: t.to(kind) if t.is_floating_point() else t for n, t in given().items()}
    found, _ = load(written(tmp_path, tensors))
    assert torch.equal(found["conv_stem.weight"], tensors["conv_stem.weight"].float())


def test_nan_in_a_classifier_that_is_left_out_is_no_matter(tmp_path: Path) -> None:
    tensors = given()
    tensors["classifier.bias"].fill_(float("nan"))
    load(written(tmp_path, tensors))


def test_a_folder_is_answered_with_the_file_in_it(tmp_path: Path) -> None:
    assert "only safetensors files are read" in refusal(tmp_path)
    save_file(given(), tmp_path / "model.safetensors")
    assert refusal(tmp_path) == (
        f"model.weights={tmp_path}: this is a folder; give {tmp_path}/model.safetensors."
    )
    (tmp_path / "a.safetensors").mkdir()
    assert "this is a folder; give the file in it" in refusal(tmp_path / "a.safetensors")


@pytest.mark.parametrize("text", ["s3://bucket/a.safetensors", "https://host/a.safetensors"])
def test_addresses_are_refused_with_advice(text: str) -> None:
    with pytest.raises(UserError, match="only files on this machine are read; download it"):
        weights.check_path(text)


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    save_file(given(), tmp_path / "A.SAFETENSORS")
    load(tmp_path / "A.SAFETENSORS")
