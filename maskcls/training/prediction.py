"""Prediction by a finished fold's network on decoded images; all settings come from its checkpoint."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config.schema import Tta
from maskcls.models import network as networks
from maskcls.models.backbone import Normalization
from maskcls.models.network import Description
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.training import checkpoint, evaluate
from maskcls.training.device import ForwardContext, pick_device
from maskcls.training.feed import Feed
from maskcls.training.fold_data import open_pixels
from maskcls.training.job import PredictJob
from maskcls.training.rank import Alone


def predict_images(
    job: PredictJob, after_batch: Callable[[int, int], None] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rows that could be decoded, int64 [M], and their logits, float32 [M, K].

    Raises UserError when the checkpoint is damaged, RuntimeError when the pixels are of another
    geometry than its own.
    """
    torch.set_num_threads(job.threads)
    folder = Folder.at(job.checkpoints)
    # Hashes are compared first: damaged weights may load without an error and predict noise.
    checkpoint.require_whole(folder, job.name)
    state = checkpoint.read_state(folder, job.name)
    geometry = Geometry.from_json(state["geometry"])
    # A network sees only what it was trained on: another crop or size gives logits, but worse ones.
    if geometry != job.pixels.geometry:
        raise RuntimeError(
            f"{folder}/{job.name}: trained at {geometry.to_json()}, the pixels are"
            f" {job.pixels.geometry.to_json()}"
        )
    described, device = Description.from_json(state["network"]), pick_device(job.device)
    # Without initial weights: the checkpoint has all tensors, and no download is needed.
    network, _ = networks.build(described, geometry.size, pretrained=False)
    checkpoint.load_model(folder, job.name, network)
    channels_last = networks.wants_channels_last(described)
    # As in training: the memory format decides the kernels, and so the last bits of the logits.
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
    own = state["normalization"]
    normalization = Normalization(_triple(own["mean"]), _triple(own["std"]))
    forward_context = ForwardContext(device, state["precision"], normalization)
    cached = open_pixels(job.pixels)
    rows = np.setdiff1d(np.arange(len(cached.pixels)), list(cached.faults)).astype(np.int64)
    feed = Feed([cached.pixels], device, channels_last)
    tta = Tta(**state["tta"])
    logits = evaluate.predict(
        network, feed, rows, state["batch_size"], Alone(), forward_context, tta, after_batch
    )
    return rows, logits


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
