"""Checkpoints of a fold: whole or absent, exact to the byte, safetensors and JSON only.

    fold-K/checkpoints/epoch-0002/              two epochs are done
    fold-K/checkpoints/epoch-0002-step-000040/  and 40 updates of the third
        model.safetensors       parameters and buffers, averaged if the settings say so
        training.safetensors    optimizer state, random state, running sums; with averaging also the
                                weights that train on (raw.*) and the average's own state (average.*)
        held_out.safetensors    held-out logits of that epoch (at the end of an epoch only)
        state.json              position, best epoch, history, optimizer's plain values, what the
                                network is
        manifest.json           sizes and SHA-256 of all of them; written last

A checkpoint appears by one rename after everything was flushed (on an object store: its manifest is
put last). The last two are kept, and the best one as each of them knows it; a damaged one is named and
passed over.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load
from safetensors.torch import save as save_bytes  # save_file's files are the owner's alone
from torch import nn

from maskcls.core.errors import UserError
from maskcls.optim.averaging import Average
from maskcls.store import atomic, manifest
from maskcls.store.paths import Folder, in_words, json_bytes
from maskcls.store.run_files import best_of
from maskcls.training import optimizer_state, seeding

FORMAT = 2
_NAME = re.compile(r"epoch-(\d{4,})(?:-step-(\d{6,}))?")
_KEEP_LAST = 2
_RAW, _AVERAGE = "raw.", "average."


@dataclass(frozen=True)
class Position:
    """How far a fold is: whole epochs done, and updates done of the next one."""

    epochs_done: int
    steps_done: int

    @property
    def name(self) -> str:
        """Folder name of a checkpoint at this position; sorts by position."""
        step = f"-step-{self.steps_done:06d}" if self.steps_done else ""
        return f"epoch-{self.epochs_done:04d}{step}"


@dataclass(frozen=True)
class Snapshot:
    """Everything but the tensors of model and optimizer; plain JSON values.

    best: {"epoch", "macro_f1"} or None; history: a dict per epoch; describe: what the network is,
    so that prediction needs nothing but the checkpoint.
    """

    position: Position
    best: dict[str, Any] | None
    history: list[dict[str, Any]]
    describe: dict[str, Any]


@dataclass(frozen=True)
class Weights:
    """Weights of a moment, on the CPU and contiguous (models/weights.py: clone_state).

    kept: what is evaluated and predicts. raw: what trains on, where that is something else.
    average: the average's own state.
    """

    kept: dict[str, torch.Tensor]
    raw: dict[str, torch.Tensor] = field(default_factory=dict)
    average: dict[str, torch.Tensor] = field(default_factory=dict)


def save(
    folder: Folder,
    snapshot: Snapshot,
    weights: Weights,
    optimizer: torch.optim.Optimizer,
    loss_sum: torch.Tensor,
    held_out: npt.NDArray[np.float32] | None,
) -> None:
    """Write a checkpoint into fold-K/checkpoints, then drop those that are not kept.

    loss_sum: running sum of the unfinished epoch, a scalar. held_out: logits [N, 18] at the end of
    an epoch, else None. Raises UserError when the disk is full.
    """
    tensors, plain = optimizer_state.take(optimizer)
    random = seeding.save_state(loss_sum.device)
    tensors |= {f"random.{name}": state for name, state in random.items()}
    tensors["loss_sum"] = loss_sum.detach().cpu().clone()
    tensors |= {f"{_RAW}{name}": tensor for name, tensor in weights.raw.items()}
    tensors |= {f"{_AVERAGE}{name}": tensor for name, tensor in weights.average.items()}
    state = {
        "format": FORMAT,
        "epochs_done": snapshot.position.epochs_done,
        "steps_done": snapshot.position.steps_done,
        "best": snapshot.best,
        "history": snapshot.history,
        "optimizer": plain,
        **snapshot.describe,
    }
    staged = folder.staging(snapshot.position.name)
    try:
        with in_words(folder, "write"):
            (staged / "model.safetensors").write_bytes(save_bytes(weights.kept))
            (staged / "training.safetensors").write_bytes(save_bytes(tensors))
            if held_out is not None:
                (staged / "held_out.safetensors").write_bytes(
                    save_bytes({"logits": torch.from_numpy(held_out)})
                )
            (staged / "state.json").write_bytes(json_bytes(state))
            manifest.write_manifest(staged, {"kind": "checkpoint"})
        folder.publish(staged, snapshot.position.name)
    except BaseException:
        atomic.remove(staged)
        raise
    _drop_old(folder, snapshot)


def _drop_old(folder: Folder, snapshot: Snapshot) -> None:
    names, now = _names(folder), _order(snapshot.position.name)
    # What lies behind the present position was passed over as damaged; it must not count as one of
    # the last, or the sound ones would go in its place.
    for name in [n for n in names if _order(n) > now]:
        folder.delete(name)
    names = [n for n in names if _order(n) <= now]
    # The best of each of them: the fold may have to go back to the one before the last.
    bests = [best_of(snapshot.history[: _order(name)[0]]) for name in names[-_KEEP_LAST:]]
    kept = {Position(best["epoch"], 0).name for best in bests if best is not None}
    for name in names[:-_KEEP_LAST]:
        if name not in kept:
            folder.delete(name)


def newest(folder: Folder, say: Callable[[str], None]) -> str | None:
    """Name of the newest whole checkpoint, None without one; damaged ones are named by say."""
    for name in reversed(_names(folder)):
        reason = manifest.why_invalid(folder, name)
        if reason is None:
            return name
        say(f"checkpoint {name} is damaged ({reason}) and passed over")
    return None


def require_whole(folder: Folder, name: str) -> None:
    """UserError when a checkpoint is missing or damaged."""
    reason = manifest.why_invalid(folder, name)
    if reason is not None:
        raise UserError(
            f"{folder}/{name}: the checkpoint is damaged ({reason}); restore it, or delete its fold's"
            " folder and run the same training again."
        )


def read_state(folder: Folder, name: str) -> dict[str, Any]:
    """A checkpoint's state.json."""
    state: dict[str, Any] = folder.read_json(f"{name}/state.json")
    if state.get("format") != FORMAT:
        raise RuntimeError(f"{folder}/{name}: format {state.get('format')}, this is {FORMAT}")
    return state


def read_held_out(folder: Folder, name: str) -> npt.NDArray[np.float32]:
    """Held-out logits [N, 18] that an epoch's checkpoint carries."""
    logits: npt.NDArray[np.float32] = load(folder.read_bytes(f"{name}/held_out.safetensors"))[
        "logits"
    ].numpy()
    return logits


def load_model(folder: Folder, name: str, model: nn.Module) -> None:
    """Put a checkpoint's parameters and buffers into the model; every name must fit."""
    model.load_state_dict(load(folder.read_bytes(f"{name}/model.safetensors")))


def restore(
    folder: Folder,
    name: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    device: torch.device,
) -> tuple[Snapshot, torch.Tensor]:
    """Put everything back as it was; returns the snapshot and the running loss sum (a scalar).

    optimizer, average: built by the same settings; of its options, what is no plain JSON stays as built.
    """
    state = read_state(folder, name)
    load_model(folder, name, model)
    tensors = load(folder.read_bytes(f"{name}/training.safetensors"))
    if raw := _below(tensors, _RAW):
        model.load_state_dict(raw)
    optimizer_state.put_back(optimizer, tensors, state["optimizer"])
    if average is not None:
        average.restore(_below(tensors, _AVERAGE))
    seeding.restore_state(_below(tensors, "random."), device)
    position = Position(state["epochs_done"], state["steps_done"])
    snapshot = Snapshot(position, state["best"], state["history"], {})
    return snapshot, tensors["loss_sum"].to(device)


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _names(folder: Folder) -> list[str]:
    found = [e.name for e in folder.list() if not e.is_file and _NAME.fullmatch(e.name)]
    return sorted(found, key=_order)


def _order(name: str) -> tuple[int, int]:
    epochs, _, steps = name.removeprefix("epoch-").partition("-step-")
    return int(epochs), int(steps or 0)
