"""Files that should be safetensors and are something else are named by their format."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from weights_factory import given, load, refusal

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
    assert sentence.startswith(f"model.weights={path}: not a valid safetensors file: {words}")


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
