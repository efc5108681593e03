"""Can this network be built? Asked once, in a process of its own, before anything else starts.

torch and timm cost seconds and some 400 MB; the driver only moves data and stays free of them.
Reads the configuration as JSON on stdin and answers with JSON on stdout: {"fault": sentence} or what
the network is. Weights from the hub are in the hub's cache afterwards.
"""

import contextlib
import json
import sys
from typing import Any

import torch

from maskcls.config import parts, resolve
from maskcls.core.errors import UserError
from maskcls.core.labels import NUM_CLASSES
from maskcls.models import backbone, weights
from maskcls.optim import factory


def inspect(config_json: dict[str, Any]) -> dict[str, Any]:
    """Build network, loss and optimizer of a configuration, run one row through, describe them.

    Raises UserError for whatever cannot be built.
    """
    config = resolve.from_json(config_json)
    backbone.check_name(config.model.backbone)
    loss = parts.load("loss.name", config.loss.name)
    prefix = f"loss.{config.loss.name}"
    loss.build(parts.settings_of(loss, config.loss.settings, prefix))
    factory.check_name(config.optim.name)
    network, normalization = backbone.build(config.model, config.image.size)
    factory.build(network, config.optim)
    size = config.image.size
    try:
        with torch.inference_mode():
            logits = network.eval()(torch.zeros(1, 3, size.height, size.width))
    except Exception as e:  # a backbone that cannot take this size fails in its own ways
        first_line = str(e).strip().split("\n", 1)[0][:200]
        raise UserError(
            f"image.size={size}: {config.model.backbone} cannot take it ({first_line})."
        ) from e
    if tuple(logits.shape) != (1, NUM_CLASSES):
        raise UserError(f"model.backbone={config.model.backbone}: gives {tuple(logits.shape)}.")
    local = config.model.weights not in ("hub", "none")
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "mean": normalization.mean,
        "std": normalization.std,
        "channels_last": backbone.wants_channels_last(config.model),
        "weights_sha256": weights.sha256_of(weights.check_path(config.model.weights))
        if local
        else None,
    }


def main() -> None:
    """Answer one question from stdin."""
    asked = json.load(sys.stdin)
    # Hub clients write to stdout when it suits them; the answer must stand alone there.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            answer: dict[str, Any] = inspect(asked)
        except UserError as e:
            answer = {"fault": str(e)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
