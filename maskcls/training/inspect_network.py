"""Can this network be built? Checked once, in a process of its own, before anything else starts.

torch and timm take seconds and some 400 MB; the driver only moves data and does not import them.
Reads configuration and task as JSON on stdin and writes JSON to stdout: what the network is (Inspected),
or why it cannot be built (Refused). Weights from the hub are in the hub's cache afterwards.
"""

import contextlib
import json
import sys
from typing import Any, TypedDict

import torch

from maskcls.augment.base import Context
from maskcls.augment.pipeline import Pipeline
from maskcls.config import resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError, is_transient
from maskcls.core.task import Task
from maskcls.models import hub, weights
from maskcls.models import network as networks
from maskcls.models.network import Network
from maskcls.models.smallest_batch import smallest_batch
from maskcls.optim import factory
from maskcls.optim.averaging import make_average
from maskcls.training.objective import build_losses, describe


class Inspected(TypedDict):
    """The fields of store.run.Network, and notes: names and weights that were not taken as written."""

    parameters: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels_last: bool
    weights_sha256: dict[str, str]
    notes: list[str]


class Refused(TypedDict):
    """The sentence of a UserError, and whether the same may succeed later."""

    error: str
    transient: bool


def inspect(config_json: dict[str, Any], task: Task) -> Inspected:
    """Build network, loss, optimizer and transforms of a configuration, and run one image through.

    Raises UserError for whatever cannot be built.
    """
    config, notes = resolve.from_json(config_json), list[str]()
    described = describe(config, task, notes.append)
    models = networks.models_of(described)
    # What is quick to refuse comes before the network, whose weights may have to be downloaded.
    build_losses(config, task, [1] * task.num_classes, epoch=0)
    Pipeline(config.augment, Context((0.0, 0.0, 0.0)))
    factory.check_name(config.optim.name)
    if config.optim.name == "sam":
        factory.check_name(config.optim.sam_base, "optim.sam_base")
    network, normalization = networks.build(described, config.image.size, report=notes.append)
    factory.build(network, config.optim)
    make_average(config.optim)
    _run_one(network, config, task.num_classes)
    _require_two_images(network, config)
    # Hashed only now: of files that are known to fit.
    local = [weights.check_path(m.weights) for m in models if m.weights not in ("hub", "none")]
    from_hub = [
        hub.identity_of(model.backbone, body)
        for model, body in zip(models, networks.backbones_of(network), strict=True)
        if model.weights == "hub"
    ]
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "mean": normalization.mean,
        "std": normalization.std,
        "channels_last": networks.wants_channels_last(described),
        "weights_sha256": {str(path): weights.sha256_of(path) for path in local} | dict(from_hub),
        "notes": list(dict.fromkeys(notes)),  # backbones of a head may share a file
    }


def _run_one(network: Network, config: Config, num_classes: int) -> None:
    size = config.image.size
    names = config.model.backbone
    try:
        # On zeros, in evaluation mode: shapes are checked, and batch norm needs no second image.
        with torch.inference_mode():
            outputs = network.eval()(torch.zeros(1, 3, size.height, size.width))
            logits = network.head.logits(outputs)
    except Exception as e:  # each backbone has its own exceptions for a wrong size
        first_line = str(e).strip().split("\n", 1)[0][:200]
        raise UserError(f"image.size={size}: {names} cannot take it ({first_line}).") from e
    if tuple(logits.shape) != (1, num_classes):
        raise UserError(f"model.backbone={names}: gives {tuple(logits.shape)}.")


def _require_two_images(network: Network, config: Config) -> None:
    train = config.train
    if train.micro_batch_size == 1 and smallest_batch(network, config.image.size) > 1:
        raise UserError(
            f"train.micro_batch_size=1: {config.model.backbone} at {config.image.size} normalises over"
            " the images of a pass (batch normalisation of a 1x1 map); set 2 or more."
        )


def main() -> None:
    """Read {"config", "task"} from stdin, write one answer to stdout."""
    asked = json.load(sys.stdin)
    # Hub clients print to stdout, too; the driver parses everything there as the answer.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer: Inspected | Refused = inspect(asked["config"], Task.from_json(asked["task"]))
        except UserError as e:
            # As data: the class of an exception does not survive a pipe, a text would have to be
            # parsed.
            answer = {"error": str(e), "transient": is_transient(e)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
