"""Backbone weights from a safetensors file; pickled files are refused unread."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from torch import nn

from maskcls.core.errors import UserError
from maskcls.core.names import as_on_disk
from maskcls.core.progress import Report, ignore
from maskcls.models import foreign_files


def check_path(text: str) -> Path:
    """The path of model.weights; UserError when it is missing or not a safetensors file.

    Absolute, and spelled as on disk: accents and Hangul may be typed composed or not (NFC, NFD).
    """
    if "://" in text:
        raise UserError(
            f"model.weights={text}: only files on this machine are read; download it and give"
            " its path."
        )
    path = as_on_disk(Path(text).expanduser().absolute())
    if path.suffix.lower() != ".safetensors":
        if (inside := path / "model.safetensors").is_file():
            raise UserError(f"model.weights={text}: this is a folder; give {inside}.")
        raise UserError(
            f"model.weights={text}: only safetensors files are read (a pickle can run code);"
            " convert it with safetensors.torch.save_file, or use hub or none."
        )
    if path.is_dir():
        raise UserError(f"model.weights={text}: this is a folder; give the file in it.")
    if not path.is_file():
        raise UserError(f"model.weights={text}: there is no such file; use its path, hub or none.")
    return path


def load_into(
    backbone: nn.Module, path: Path, classifier: tuple[str, ...], report: Report = ignore
) -> None:
    """Copy a file's tensors into the backbone, all of them; shapes must be as they are.

    The file's names may all have one more prefix (module., model., and backbone. in a checkpoint of
    this program), which is removed and reported. classifier: prefixes of the file's own classifier,
    which is left out.
    Raises UserError when the file is damaged, belongs to another backbone, or holds NaN or inf.
    """
    tensors = _read(path)
    wanted = backbone.state_dict()
    prefix = _prefix_of(tensors, wanted, path)
    inside = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    # Only what the backbone lacks counts as a classifier: a backbone may have layers of that name.
    kept = {n: t for n, t in inside.items() if n in wanted or not n.startswith(classifier)}
    _require_fit(kept, wanted, path)
    if prefix:
        left = [name for name in tensors if not name.startswith(prefix)]
        also = f"; {len(left)} other tensors are left out, such as {left[0]}" if left else ""
        report(
            f"model.weights={path}: the names of its tensors begin with {prefix!r}, which is"
            f" removed{also}"
        )
    # Not strict: _require_fit has checked the names, and allows for a missing num_batches_tracked.
    backbone.load_state_dict(kept, strict=False)
    require_finite(backbone, f"model.weights={path}")


def require_finite(backbone: nn.Module, source: str) -> None:
    """UserError with the first tensor that holds NaN or inf; source: begins the sentence.

    Looks at the loaded tensors, since a float64 may be finite in its file and not in float32.
    """
    for name, tensor in backbone.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            count = int((~tensor.isfinite()).sum())
            raise UserError(
                f"{source}: tensor {name} holds NaN or inf ({count:,} of {tensor.numel():,} values);"
                " use other weights."
            )


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        # Before loading, since safetensors' own errors do not say what the file is.
        found = foreign_files.what_it_is(path)
        if found is not None:
            raise UserError(f"model.weights={path}: not a valid safetensors file: it is {found}.")
        tensors: dict[str, torch.Tensor] = load_file(path)
    except OSError as e:
        raise UserError(f"model.weights={path}: cannot be read: {e.strerror or e}.") from e
    except (SafetensorError, ValueError) as e:
        raise UserError(f"model.weights={path}: not a valid safetensors file: {e}.") from e
    return tensors


def _require_fit(
    kept: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], path: Path
) -> None:
    missing = [name for name in _required(wanted) if name not in kept]
    unknown = [name for name in kept if name not in wanted]
    other = [name for name in kept if name in wanted and kept[name].shape != wanted[name].shape]
    if missing or unknown or other:
        example = (missing + unknown + other)[0]
        raise UserError(
            f"model.weights={path}: does not fit this backbone ({len(missing)} tensors missing,"
            f" {len(unknown)} unknown, {len(other)} of another shape, such as {example});"
            " use the backbone's own file."
        )
    for name, tensor in kept.items():
        # load_state_dict would silently convert the integers of quantised weights to large floats.
        if wanted[name].is_floating_point() and not tensor.is_floating_point():
            raise UserError(
                f"model.weights={path}: tensor {name} holds {str(tensor.dtype).removeprefix('torch.')}"
                " and not floats, as quantised weights do; use weights that were not quantised."
            )


def _required(wanted: Iterable[str]) -> list[str]:
    # Older files lack the count of batches, which BatchNorm uses only where momentum is None.
    return [name for name in wanted if not name.endswith("num_batches_tracked")]


def _prefix_of(names: Collection[str], wanted: Iterable[str], path: Path) -> str:
    """What the file's names begin with before the backbone's own; "" where no prefix fits.

    UserError when the file holds several such backbones.
    """
    required = _required(wanted)
    if not required or all(name in names for name in required):
        return ""
    first = f".{required[0]}"
    # Found by one required name, then checked with all: a file may hold more than one network.
    prefixes = [name.removesuffix(first) + "." for name in names if name.endswith(first)]
    fits = [p for p in prefixes if all(p + name in names for name in required)]
    if len(fits) > 1:
        raise UserError(
            f"model.weights={path}: holds several backbones that fit, under {' and '.join(fits)};"
            " write the tensors of one of them to a file of its own."
        )
    return fits[0] if fits else ""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clone_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, contiguous and on the CPU, as safetensors requires."""
    # Clones, since on a CPU the state_dict shares memory with the model, which trains on.
    return {
        name: tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
