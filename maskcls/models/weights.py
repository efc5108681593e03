"""Backbone weights from a safetensors file; pickled files are refused unread."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from maskcls.core.errors import UserError
from maskcls.core.names import as_on_disk


def check_path(text: str) -> Path:
    """The path of model.weights; UserError when it is missing or no safetensors file.

    Absolute, and spelled as on disk: accents and Hangul may be typed composed or not (NFC, NFD).
    """
    path = as_on_disk(Path(text).expanduser().absolute())
    if path.suffix != ".safetensors":
        raise UserError(
            f"model.weights={text}: only safetensors files are read (a pickle can run code);"
            " convert it with safetensors.torch.save_file, or use hub or none."
        )
    if not path.is_file():
        raise UserError(f"model.weights={text}: there is no such file; use its path, hub or none.")
    return path


def load_into(backbone: nn.Module, path: Path, classifier: tuple[str, ...]) -> None:
    """Copy a file's tensors into the backbone, all of them, names and shapes as they are.

    classifier: prefixes of the file's own classifier, which is left out.
    Raises UserError when the file is damaged or belongs to another backbone.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as e:
        raise UserError(f"model.weights={path}: not a sound safetensors file: {e}.") from e
    wanted = backbone.state_dict()
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if name in wanted or not name.startswith(classifier)
    }
    missing = [n for n in wanted if n not in kept and not n.endswith("num_batches_tracked")]
    extra = [n for n in kept if n not in wanted]
    other = [n for n in kept if n in wanted and kept[n].shape != wanted[n].shape]
    if missing or extra or other:
        example = (missing + extra + other)[0]
        raise UserError(
            f"model.weights={path}: does not fit this backbone ({len(missing)} tensors missing,"
            f" {len(extra)} unknown, {len(other)} of another shape, such as {example});"
            " take the backbone's own file."
        )
    backbone.load_state_dict(kept, strict=False)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clone_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, contiguous and on the CPU, as safetensors wants them."""
    return {
        name: tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
