"""Checkpoints of a fold: whole or absent, restored bit-identical, safetensors and JSON only.

    fold-K/checkpoints/epoch-0002/              two epochs are done
    fold-K/checkpoints/epoch-0002-step-000040/  and 40 steps of the third
        model.safetensors       parameters and buffers, averaged if the settings say so
        training.safetensors    optimizer state, random state, running sums; with averaging also the
                                weights that train on (raw.*) and the average's own state (average.*)
        state.json              position, best epoch, history, optimizer's plain values, what the
                                network is
        manifest.json           sizes and SHA-256 of all of them; written last

A checkpoint appears by one rename after everything was flushed (on an object store: its manifest is
put last). The last two are kept, and the best one as each of them knows it; a damaged one is logged
and skipped. The validation logits of its epoch are written before it (store/run.py), so a whole
checkpoint implies them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors.torch import load
from safetensors.torch import save as save_bytes  # save_file's files have mode 0600
from torch import nn

from maskcls.core.errors import UserError
from maskcls.core.history import Best, EpochEntry, best_of
from maskcls.core.plain import from_plain, to_plain
from maskcls.models.network import DescriptionJson
from maskcls.pixels.geometry import GeometryJson
from maskcls.store import atomic, manifest
from maskcls.store.attempt import Fence
from maskcls.store.folder import Folder, in_words, json_bytes
from maskcls.training import optimizer_state, seeding
from maskcls.training.device import Precision
from maskcls.training.loop import Learner
from maskcls.training.optimizer_state import PlainState

FORMAT = 4
"""3: no held-out logits."""
_NAME = re.compile(r"epoch-(\d{4,})(?:-step-(\d{6,}))?")
_KEEP_LAST = 2  # if the newest turns out to be damaged, the one before it is used
_RAW, _AVERAGE, _SCALER, _RANDOM = "raw.", "average.", "scaler.", "random."


class NormalizationJson(TypedDict):
    """A models.backbone.Normalization."""

    mean: Sequence[float]
    std: Sequence[float]


class Described(TypedDict, total=False):
    """What prediction needs to know of a network, as state.json has it.

    fold: whose network it is. tta: fields of config.schema.Tta.
    """

    fold: int
    network: DescriptionJson
    geometry: GeometryJson
    normalization: NormalizationJson
    precision: Precision
    batch_size: int
    tta: Mapping[str, Any]


class State(Described):
    """The content of state.json; see Snapshot. optimizer: see optimizer_state.take."""

    format: int
    epochs_done: int
    steps_done: int
    history: list[dict[str, object]]
    optimizer: PlainState


@dataclass(frozen=True)
class Position:
    """How far a fold is: complete epochs, and updates (steps) done of the next one."""

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

    history: the finished epochs. describe: what the network is, so that prediction needs nothing but the
    checkpoint.
    """

    position: Position
    history: list[EpochEntry]
    describe: Described

    @property
    def best(self) -> Best | None:
        """The best epoch so far."""
        return best_of(self.history)


@dataclass(frozen=True)
class Weights:
    """Weights at one step, on the CPU and contiguous (models/weights.py: clone_state).

    kept: what is evaluated and used for prediction. raw: what training continues with, where that
    differs.
    average: the average's own state.
    """

    kept: dict[str, torch.Tensor]
    raw: dict[str, torch.Tensor] = field(default_factory=dict)
    average: dict[str, torch.Tensor] = field(default_factory=dict)


class Keeper:
    """Writes a fold's checkpoints, and deletes those that need not be kept.

    It deletes only what this attempt wrote itself or found when it began, and checks the fence before
    each change: a worker that was replaced must not delete the checkpoints of its successor. What it
    found to be damaged goes first, so that it takes no sound one's place.
    """

    def __init__(self, folder: Folder, fence: Fence) -> None:
        self._folder, self._fence = folder, fence
        self._ours: set[str] = set(_names(folder))
        self._damaged: set[str] = set()

    def newest(self, say: Callable[[str], None]) -> str | None:
        """Name of the newest whole checkpoint, None without one; damaged ones are reported to say."""
        for name in reversed(_names(self._folder)):
            # Hashes of all files are compared, since resuming from a damaged file could train on
            # silently wrong weights.
            reason = manifest.why_invalid(self._folder, name)
            if reason is None:
                return name
            self._damaged.add(name)
            say(f"checkpoint {name} is damaged ({reason}) and skipped")
        return None

    def save(
        self,
        snapshot: Snapshot,
        weights: Weights,
        learner: Learner,
        loss_sum: torch.Tensor,
    ) -> None:
        """Write a checkpoint into fold-K/checkpoints, then drop those that are not kept.

        loss_sum: running sum of the unfinished epoch, a scalar. Raises StorageError when the disk is
        full, Superseded when another attempt has the fold.
        """
        staged = self._folder.staging(snapshot.position.name)
        try:
            with in_words(self._folder, "write"):
                _fill(staged, snapshot, weights, learner, loss_sum)
            # Writing took a while, in which a successor may have started; a rename now could replace
            # its checkpoint of the same name.
            self._fence.check()
            # Again where it becomes visible: making it lasting takes seconds.
            self._folder.publish(staged, snapshot.position.name, before=self._fence.check)
        except BaseException:  # KeyboardInterrupt, too: a staged checkpoint can be gigabytes
            atomic.remove(staged)
            raise
        self._ours.add(snapshot.position.name)
        # Only after the new one is published: a kill in between leaves one too many, never too few.
        self._drop_old(snapshot)

    def _drop_old(self, snapshot: Snapshot) -> None:
        names, now = _names(self._folder), _order(snapshot.position.name)
        # What is behind the present position was passed over as damaged; it must not count as one of
        # the last, or the sound ones would be deleted in its place.
        damaged = self._damaged - {snapshot.position.name}
        dropped = [n for n in names if _order(n) > now or n in damaged]
        names = [n for n in names if n not in dropped]
        # The best of each of them: the fold may have to resume from the one before the last.
        bests = [best_of(snapshot.history[: _order(name)[0]]) for name in names[-_KEEP_LAST:]]
        kept = {Position(best.epoch, 0).name for best in bests if best is not None}
        dropped += [name for name in names[:-_KEEP_LAST] if name not in kept]
        for name in dropped:
            if name in self._ours:
                self._fence.check()
                self._folder.delete(name)
                self._ours.discard(name)


def _fill(
    staged: Path,
    snapshot: Snapshot,
    weights: Weights,
    learner: Learner,
    loss_sum: torch.Tensor,
) -> None:
    """Write a checkpoint's files into a local folder, the manifest last."""
    tensors, plain = optimizer_state.take(learner.optimizer)
    # Writing a checkpoint draws no random number, so this is the state at the position.
    random = seeding.save_state(loss_sum.device)
    tensors |= {f"{_RANDOM}{name}": state for name, state in random.items()}
    tensors["loss_sum"] = loss_sum.detach().cpu().clone()
    tensors |= {f"{_SCALER}{name}": value for name, value in learner.scaler_state().items()}
    tensors |= {f"{_RAW}{name}": tensor for name, tensor in weights.raw.items()}
    tensors |= {f"{_AVERAGE}{name}": tensor for name, tensor in weights.average.items()}
    state: State = {
        "format": FORMAT,
        "epochs_done": snapshot.position.epochs_done,
        "steps_done": snapshot.position.steps_done,
        "history": [to_plain(entry) for entry in snapshot.history],
        "optimizer": plain,
        **snapshot.describe,
    }
    (staged / "model.safetensors").write_bytes(save_bytes(weights.kept))
    (staged / "training.safetensors").write_bytes(save_bytes(tensors))
    (staged / "state.json").write_bytes(json_bytes(state))
    # Last: its presence and its hashes are what makes a folder a complete checkpoint.
    manifest.write_manifest(staged, {"kind": "checkpoint"})


def require_whole(folder: Folder, name: str) -> None:
    """UserError when a checkpoint is missing or damaged."""
    reason = manifest.why_invalid(folder, name)
    if reason is not None:
        raise UserError(
            f"{folder}/{name}: the checkpoint is damaged ({reason}); restore it, or delete its fold's"
            " folder and run the same training again."
        )


def read_state(folder: Folder, name: str) -> State:
    """A checkpoint's state.json."""
    state: State = folder.read_json(f"{name}/state.json")
    if state.get("format") != FORMAT:
        raise RuntimeError(f"{folder}/{name}: format {state.get('format')}, this is {FORMAT}")
    return state


def model_sha256(folder: Folder, name: str) -> str:
    """SHA-256 of a checkpoint's weights, from its manifest."""
    # Not hashed again: require_whole compares file and manifest before the weights are used.
    return str(manifest.read_whole(folder, name)["files"]["model.safetensors"]["sha256"])


def load_model(folder: Folder, name: str, model: nn.Module) -> None:
    """Put a checkpoint's parameters and buffers into the model; every name must fit."""
    model.load_state_dict(load(folder.read_bytes(f"{name}/model.safetensors")))


def restore(folder: Folder, name: str, learner: Learner) -> tuple[Snapshot, torch.Tensor]:
    """Put everything back as it was; returns the snapshot and the running loss sum (a scalar).

    learner: built by the same settings; options of its optimizer that are no plain JSON stay as built.
    """
    device = learner.forward_context.device
    state = read_state(folder, name)
    load_model(folder, name, learner.network)
    tensors = load(folder.read_bytes(f"{name}/training.safetensors"))
    # After the kept weights: in an averaged run those are what predicts, and the raw ones what trains.
    if raw := _below(tensors, _RAW):
        learner.network.load_state_dict(raw)
    optimizer_state.put_back(learner.optimizer, tensors, state["optimizer"])
    if learner.average is not None:
        learner.average.restore(_below(tensors, _AVERAGE))
    learner.restore_scaler(_below(tensors, _SCALER))
    # After everything that could draw: what follows continues the stream where it was saved.
    seeding.restore_state(_below(tensors, _RANDOM), device)
    position = Position(state["epochs_done"], state["steps_done"])
    history = [from_plain(EpochEntry, entry) for entry in state["history"]]
    return Snapshot(position, history, {}), tensors["loss_sum"].to(device)


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _names(folder: Folder) -> list[str]:
    found = [e.name for e in folder.list() if not e.is_file and _NAME.fullmatch(e.name)]
    # By numbers: as text, epoch-10000 would come before epoch-9999.
    return sorted(found, key=_order)


def _order(name: str) -> tuple[int, int]:
    epochs, _, steps = name.removeprefix("epoch-").partition("-step-")
    return int(epochs), int(steps or 0)
