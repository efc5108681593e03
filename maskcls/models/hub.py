"""Identity of weights from the hub: SHA-256 of the file in its cache, or else of the loaded tensors."""

import hashlib
from pathlib import Path
from urllib.parse import urlparse

import timm
import torch
from torch import nn

from maskcls.models.timm_names import timm_name
from maskcls.models.weights import sha256_of

FILE, STATE = "hub:", "hub-state:"
"""Prefixes of the keys in network.json for the two kinds of hashes; keys of weights files are absolute
paths."""

# The file that timm requests of a repository by default, and what it prefers instead (timm 1.0).
_DEFAULT = "pytorch_model.bin"
_PREFERRED = {
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}


def identity_of(name: str, backbone: nn.Module) -> tuple[str, str]:
    """A key for network.json, with timm's pretrained tag, and the SHA-256 in hex.

    name: as model.backbone; backbone: as built with these weights, unchanged since.
    """
    config = timm.models.get_pretrained_cfg(timm_name(name).name, allow_unregistered=False)
    # With the tag: a bare name means timm's default weights, which another version may change.
    tagged = f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)
    path = cached_file(tagged)
    if path is not None:
        return f"{FILE}{tagged}", sha256_of(path)
    return f"{STATE}{tagged}", sha256_of_state(backbone)


def cached_file(name: str) -> Path | None:
    """The file from which timm loads these weights, None where it is not in the cache."""
    from huggingface_hub import try_to_load_from_cache

    config = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    # Older weights are not on the hub but at a URL, and torch.hub caches those.
    if not config.hf_hub_id:
        file = Path(urlparse(config.url or "").path).name
        path = Path(torch.hub.get_dir()) / "checkpoints" / file
        return path if file and path.is_file() else None
    repository, _, revision = config.hf_hub_id.partition("@")
    requested = config.hf_hub_filename or _DEFAULT
    preferred = _PREFERRED.get(requested, f"{requested.removesuffix('.bin')}.safetensors")
    for file in (preferred, requested) if requested.endswith(".bin") else (requested,):
        found = try_to_load_from_cache(repository, file, revision=revision or None)
        if isinstance(found, str):  # a file known to be absent is a sentinel object, not None
            return Path(found)
    return None


def sha256_of_state(model: nn.Module) -> str:
    """SHA-256 over parameters and buffers, in hex: each one's name, type, shape and bytes, by name."""
    digest = hashlib.sha256()
    # Name, type and shape, too: else tensors could be exchanged or reshaped without a change.
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        values = tensor.detach().to("cpu").contiguous().reshape(-1)
        # As bytes, since numpy has no bfloat16.
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
