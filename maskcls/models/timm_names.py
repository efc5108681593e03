"""Maps backbone names as users write them to timm's own name of the same weights.

A name is never replaced by that of other weights: what timm or the hub do not map exactly is refused,
with advice.
"""

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import timm

from maskcls.core.errors import UserError

_SOURCE = re.compile(r"(hf[-_]hub|local[-_]dir):(.*)", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/]+/[^/?#]+).*", re.IGNORECASE
)


@dataclass(frozen=True)
class TimmName:
    """timm's own name, with a pretrained tag where one was given; note: a sentence to report
    where that is not what was written, else None."""

    name: str
    note: str | None = None


def timm_name(text: str, setting: str = "model.backbone") -> TimmName:
    """timm's name for a backbone.

    Takes timm's names, those that timm deprecated, and repositories of the hub whose weights timm
    itself has (hf-hub:timm/resnet18.a1_in1k). setting: what the message names.
    Raises UserError for anything else, with the nearest name or advice.
    """
    arch = text.split(".", 1)[0]
    replaced = timm.models.get_deprecated_models()
    if text in replaced:
        return _replaced(text, replaced[text], setting)
    # A pasted address of the hub's page means its repository.
    if page := _PAGE.fullmatch(text):
        return _from_hub(text, page[1], setting)
    if source := _SOURCE.fullmatch(text):
        is_hub = source[1].lower().startswith("hf")
        if not is_hub:
            raise UserError(f"{setting}={text}: {_of_folder(source[2])}")
        return _from_hub(text, source[2], setting)
    if arch in timm.list_models():
        _check_tag(text, arch, setting)
        return TimmName(text)
    if any(c in text for c in "/\\:"):
        return _from_hub(text, text, setting)
    # A deprecated name stands for certain weights, so a tag on it would be ambiguous.
    if arch in replaced:
        raise UserError(
            f"{setting}: {arch} is a name that timm has replaced by {replaced[arch]}, which names its"
            " weights already; use that."
        )
    near = _nearest(arch)
    hint = f"did you mean {near}?" if near else "see timm.list_models()."
    raise UserError(f"{setting}: timm has no {text!r}; {hint}")


def _replaced(text: str, current: str | None, setting: str) -> TimmName:
    if not current:
        raise UserError(f"{setting}: timm has removed {text!r}; see timm.list_models().")
    # timm 1.0.31 maps vit_base_patch32_224_sam to a tag that it does not have.
    _check_tag(current, current.split(".", 1)[0], setting)
    note = f"{setting}={text}: timm has replaced this name by {current}, which is used"
    return TimmName(current, note)


def _check_tag(text: str, arch: str, setting: str) -> None:
    if "." in text and text not in timm.models.get_arch_pretrained_cfgs(arch):
        tags = ", ".join(timm.list_pretrained(f"{arch}.*")) or "none"
        raise UserError(f"{setting}: {text!r} has no such pretrained tag; there are: {tags}.")


def _from_hub(text: str, repository: str, setting: str) -> TimmName:
    """timm's name of the weights in a repository of the hub, given as OWNER/NAME."""
    # Searched in timm's own list, without asking the hub: the check must work offline, and weights
    # that timm does not know would need its generic loader and their own configuration.
    fits = [
        name
        for name in timm.list_pretrained()
        if (config := timm.models.get_pretrained_cfg(name)).hf_hub_id == repository
        and not config.hf_hub_filename  # such a repository holds the files of several networks
    ]
    if len(fits) == 1:
        return TimmName(fits[0], f"{setting}={text}: these are timm's weights {fits[0]}")
    if fits:
        raise UserError(
            f"{setting}={text}: several of timm's networks share this repository; choose from"
            f" {', '.join(sorted(fits))}."
        )
    if Path(text).expanduser().is_dir():
        raise UserError(f"{setting}={text}: {_of_folder(text)}")
    raise UserError(
        f"{setting}={text}: timm has no such name, and repositories of the hub are taken where timm"
        " has their weights under a name of its own; for another one, download its"
        " model.safetensors, and give the architecture in its config.json as"
        f" {setting} and the file as {_weights_of(setting)}=PATH."
    )


def _of_folder(text: str) -> str:
    folder = Path(text).expanduser()
    try:
        # Only to name the right architecture in the message; nothing else of the folder is used.
        arch = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architecture"]
    except (OSError, ValueError, KeyError, TypeError):
        arch = None
    wanted = arch if isinstance(arch, str) else "the architecture in its config.json"
    return (
        f"a folder is no name of timm's; give {wanted} as model.backbone and its safetensors file"
        f" as model.weights={folder / 'model.safetensors'}."
    )


def _weights_of(setting: str) -> str:
    return setting.removesuffix("backbone") + "weights"


def _nearest(arch: str) -> str | None:
    """The nearest architecture; spelling aside (EfficientNet-B0), the same one."""
    known: list[str] = timm.list_models()
    plain = {name.replace("_", ""): name for name in known}
    # Without separators: EfficientNet-B0 and efficientnet_b0 are one word.
    written = re.sub(r"[\s_-]", "", arch.lower())
    if written in plain:
        return plain[written]
    near = difflib.get_close_matches(arch.lower().replace("-", "_"), known, n=1, cutoff=0.3)
    return near[0] if near else None
