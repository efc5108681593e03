"""Weights files: what is taken off their names, and what a file is that holds no weights."""

import json
from pathlib import Path

import pytest
import timm
import torch
from network_factory import SIZE, TINY, build, describe
from safetensors.torch import save, save_file

from maskcls.config.schema import Model
from maskcls.core.errors import UserError
from maskcls.models import backbone, weights

State = dict[str, torch.Tensor]


def given() -> State:
    """Weights as timm gives them away: backbone and classifier."""
    torch.manual_seed(5)
    return weights.clone_state(timm.create_model(TINY, num_classes=7))


def load(path: Path) -> tuple[State, list[str]]:
    """The backbone's tensors after it was built with a file's weights, and what was reported."""
    notes: list[str] = []
    built, _ = backbone.build(Model(backbone=TINY, weights=str(path)), SIZE, report=notes.append)
    return built.state_dict(), notes


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        load(path)
    return str(raised.value)


def written(folder: Path, tensors: State) -> Path:
    save_file(tensors, folder / "own.safetensors")
    return folder / "own.safetensors"


def test_a_files_own_names_are_not_reported(tmp_path: Path) -> None:
    assert load(written(tmp_path, given()))[1] == []


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "backbone.", "state_dict.", "module._orig_mod.", "0."]
)
def test_one_common_prefix_is_taken_off_and_reported(tmp_path: Path, prefix: str) -> None:
    path = written(tmp_path, {prefix + name: tensor for name, tensor in given().items()})
    found, notes = load(path)
    expected = given()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    assert notes == [
        f"model.weights={path}: the names of its tensors begin with {prefix!r}, which is taken off"
    ]


def test_a_checkpoint_of_this_program_is_weights(tmp_path: Path) -> None:
    network = build(describe(), seed=3)
    path = written(tmp_path, weights.clone_state(network))
    found, notes = load(path)
    assert all(torch.equal(t, network.backbone.state_dict()[name]) for name, t in found.items())
    (note,) = notes
    assert note.endswith(
        "begin with 'backbone.', which is taken off; 2 other tensors are left out, such as"
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
        f" {tensors[name].numel():,} values); take sound weights."
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


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is an empty file"),
        (POINTER, "it is a Git LFS pointer, not the file it points to; git lfs pull."),
        (b"<!DOCTYPE html>\n<html lang=en>", "it is an HTML page"),
        (b"\n\n<html><body>Sign in", "it is an HTML page"),
        ("\ufeff<!doctype HTML>".encode(), "it is an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "it is an XML text"),
        (b'{"error": "Repository not found"}', "it is a JSON text"),
        (json.dumps({"weight_map": {"a": "b" * 600}}).encode(), "it is a JSON text"),
        (b"Entry not found", "it is a text that begins with 'Entry not found'"),
        (b"\x80\x04\x95\x12", "it is a pickle"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "it is a pickle"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "it is a gzip archive"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "it is an HDF5 file"),
        (b"\x93NUMPY\x01\x00v\x00{", "it is a NumPy array"),
        (b"GGUF\x03\x00\x00\x00\x01", "it is a GGUF file"),
        (b"\x00" * 257 + b"ustar\x0000" + b"\x00" * 300, "it is a tar archive"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0", "it is a binary file of another kind"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    sentence = refusal(path)
    assert sentence.startswith(f"model.weights={path}: not a sound safetensors file: {words}")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_renamed_pth_is_named(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.safetensors"
    torch.save(given(), path, _use_new_zipfile_serialization=zipped)
    kind = "zip archive" if zipped else "pickle"
    assert f"it is a {kind}, as torch.save" in refusal(path)
    assert "safetensors.torch.save_file" in refusal(path)


def test_a_file_cut_in_its_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(given())[:100])
    assert "it is cut short (a header of" in refusal(path)


@pytest.mark.parametrize("length", [128, 0x280])
def test_a_headers_length_may_look_like_a_pickle(tmp_path: Path, length: int) -> None:
    whole = save(given(), metadata={"note": ""})
    space = -(int.from_bytes(whole[:8], "little") - length) % 65536
    content = save(given(), metadata={"note": "x" * space})
    own = int.from_bytes(content[:8], "little")
    assert own % 65536 in range(length, length + 8)  # headers are padded to eight bytes
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    load(path)


def test_a_folder_is_answered_with_the_file_in_it(tmp_path: Path) -> None:
    assert "only safetensors files are read" in refusal(tmp_path)
    save_file(given(), tmp_path / "model.safetensors")
    assert refusal(tmp_path) == (
        f"model.weights={tmp_path}: this is a folder; give {tmp_path}/model.safetensors."
    )
    (tmp_path / "a.safetensors").mkdir()
    assert "this is a folder; give the file in it" in refusal(tmp_path / "a.safetensors")


@pytest.mark.parametrize("text", ["s3://bucket/a.safetensors", "https://host/a.safetensors"])
def test_addresses_are_refused_with_the_way_to_go_on(text: str) -> None:
    with pytest.raises(UserError, match="only files that this machine sees are read; download it"):
        weights.check_path(text)


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    save_file(given(), tmp_path / "A.SAFETENSORS")
    load(tmp_path / "A.SAFETENSORS")
