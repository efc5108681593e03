"""A finished fold's network on any decoded photos; everything comes from its checkpoint."""

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config.schema import Model
from maskcls.models import backbone
from maskcls.models.backbone import Normalization
from maskcls.pixels.geometry import Geometry
from maskcls.store.paths import Folder
from maskcls.training import checkpoint, evaluate
from maskcls.training.device import Arithmetic, pick_device
from maskcls.training.feed import Feed
from maskcls.training.fold import open_pixels
from maskcls.training.job import PredictJob
from maskcls.training.rank import Alone


def predict_photos(job: PredictJob) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rows that could be decoded, int64 [M], and their logits, float32 [M, 18].

    Raises UserError when the checkpoint is damaged, RuntimeError when the pixels are of another
    geometry than its own.
    """
    torch.set_num_threads(job.threads)
    folder = Folder.at(job.checkpoints)
    checkpoint.require_whole(folder, job.name)
    state = checkpoint.read_state(folder, job.name)
    geometry = Geometry.from_json(state["geometry"])
    if geometry != job.pixels.geometry:
        raise RuntimeError(
            f"{folder}/{job.name}: trained at {geometry.to_json()}, the pixels are"
            f" {job.pixels.geometry.to_json()}"
        )
    settings, device = Model(**state["model"]), pick_device(job.device)
    network, _ = backbone.build(settings, geometry.size, pretrained=False)
    checkpoint.load_model(folder, job.name, network)
    channels_last = backbone.wants_channels_last(settings)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
    own = state["normalization"]
    normalization = Normalization(tuple(own["mean"]), tuple(own["std"]))
    arithmetic = Arithmetic(device, state["precision"], normalization)
    cached = open_pixels(job.pixels)
    rows = np.setdiff1d(np.arange(len(cached.pixels)), list(cached.faults)).astype(np.int64)
    feed = Feed(cached.pixels, device, channels_last)
    logits = evaluate.predict(network, feed, rows, state["batch_size"], Alone(), arithmetic)
    return rows, logits
