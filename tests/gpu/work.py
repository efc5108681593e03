"""All that these checks know of maskcls' own training layer: runs, learners, the loop, a fold.

What changes in maskcls.training is followed here and in tests/training/fold_factory.py.
"""

import functools
import io
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config.resolve import resolve
from maskcls.core.history import EpochEntry
from maskcls.core.mask import SHOTS
from maskcls.demo.drawing import draw_image
from maskcls.demo.people import draw_person
from maskcls.pixels import cache
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.decode import decode
from maskcls.pixels.geometry import Geometry
from maskcls.sampling.epoch import Epoch
from maskcls.store.folder import Folder
from maskcls.store.results import FoldResult
from maskcls.store.run import EVAL_LOGITS
from maskcls.training.building import Built, build_learner
from maskcls.training.fold import run_fold
from maskcls.training.fold_data import open_pixels, read_fold_data
from maskcls.training.job import FoldJob, PredictJob
from maskcls.training.loop import train_epoch
from maskcls.training.prediction import predict_images
from maskcls.training.rank import Alone
from tests.gpu.cases import Case
from tests.tasks import MASK
from tests.training.fold_factory import TinyRun, write_people

Learning = Built
"""A fold's learner, and what it was built from."""
EPOCHS = 2
_PEOPLE_DRAWN = 9
"""Seven images each: what the pixels of all rows repeat."""


def threads(case: Case, at_once: int = 1) -> int:
    """Of each worker, as a run divides the cores; a tiny network loses to its threads' waiting."""
    return max(1, len(os.sched_getaffinity(0)) // at_once) if case.rows > 1000 else 1


def write_run(root: Path, name: str, case: Case, device: str) -> FoldJob:
    """A run's folder with tables and decoded pixels, the pixels shared by all names; its fold 0."""
    config, run = resolve("report", sets=_sets(case)), Folder.at(root / name)
    write_people(run, case.rows // 3, config.folds.count, config.folds.seed)
    fill_pixels(pixels_place(root, case), case)
    return open_run(root, name, case, device)


def open_run(root: Path, name: str, case: Case, device: str) -> FoldJob:
    """Fold 0 of a run that has been written."""
    run = Folder.at(root / name)
    return FoldJob(
        task=MASK,
        run=run.location,
        data=run.location,
        fold=0,
        config=resolve("report", sets=_sets(case)),
        pixels=pixels_place(root, case),
        eval_pixels=None,
        device="cuda" if device == "cuda" else "cpu",
        threads=threads(case),
    )


def _sets(case: Case) -> list[str]:
    return [
        f"model.backbone={case.backbone}",
        "model.weights=none",
        "model.channels_last=on",
        "image.crop=none",
        f"image.size={case.height}x{case.width}",
        "folds.count=5",
        f"train.epochs={EPOCHS}",
        f"train.batch_size={case.batch_size}",
        f"train.precision={case.precision}",
    ]


def pixels_place(root: Path, case: Case) -> CachePlace:
    """Where a case's decoded pixels lie; runs of the same size share them."""
    config = resolve("report", sets=_sets(case))
    digests = np.full((case.rows // 3 * 3, 16), 7, np.uint8)
    return cache.cache_place(
        root / "cache", digests, Geometry(config.image.crop, config.image.size)
    )


def fill_pixels(place: CachePlace, case: Case) -> None:
    """Drawn people through JPEG, decoder and resize, again and again until all rows have pixels."""
    if cache.open_cache(place) is not None:
        return
    images = [place.geometry.apply(decode(data)) for data in _drawn(case.height, case.width)]
    with cache.building_lock(place, lambda text: None):
        file = cache.start_building(place)
        starts = range(0, place.rows, cache.CHUNK_ROWS)
        filled = []
        for begin in starts:
            rows = range(begin, min(begin + cache.CHUNK_ROWS, place.rows))
            chunk = (images[row % len(images)] for row in rows)
            filled.append(cache.fill_chunk(file, place, begin, chunk))
        cache.finish_building(place, filled)


@functools.cache
def _drawn(height: int, width: int) -> list[bytes]:
    files = []
    for number in range(_PEOPLE_DRAWN):
        person = draw_person(0, number)
        for shot in SHOTS:
            file = io.BytesIO()
            draw_image(person, shot, height, width).save(file, "JPEG", quality=90)
            files.append(file.getvalue())
    return files


def build(job: FoldJob) -> Learning:
    """Network, optimizer, feed and plan of a fold, from initial values."""
    torch.set_num_threads(job.threads)
    return build_learner(job, read_fold_data(job), Alone(), pretrained=False)


def pixels_of(job: FoldJob) -> npt.NDArray[np.uint8]:
    """All decoded images of a run, a memory map [N, H, W, 3]."""
    return open_pixels(job.pixels).pixels


def run_loop(built: Learning, num_steps: int, after_step: Callable[[int], None]) -> None:
    """So many whole updates of our own loop on decoded images; after_step(steps done)."""
    plan, batch_size = built.plan_epoch(0), built.config.train.batch_size
    rows = np.resize(plan.epoch.rows, num_steps * batch_size)
    plan = replace(plan, epoch=Epoch(rows, np.zeros(len(rows), np.int64)))
    start = torch.zeros((), dtype=torch.float64, device=built.learner.forward_context.device)

    def after(steps_done: int, num_steps: int, images: int) -> None:
        after_step(steps_done)

    train_epoch(built.learner, plan, batch_size, 0, start, after)


def bare_step(
    built: Learning, forward: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[], None]:
    """An update on one random batch that stays on the device; forward: pixels to outputs."""
    learner, config = built.learner, built.config
    device, size = learner.forward_context.device, config.image.size
    count = config.train.batch_size
    shape = (count, size.height, size.width, 3)
    pixels_BHWC = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    pixels_BCHW = pixels_BHWC.permute(0, 3, 1, 2)  # channels_last, as the feed's
    if not built.channels_last:
        pixels_BCHW = pixels_BCHW.contiguous()
    target = learner.targets.of(torch.arange(count, device=device) % len(learner.targets.classes))
    losses = built.plan_epoch(0).losses
    learner.network.train()

    def step() -> None:
        learner.optimizer.zero_grad(set_to_none=True)
        loss_B = learner.network.head.loss(forward(pixels_BCHW), target, losses)
        loss_B.mean().backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()

    return step


def plain_forward(built: Learning) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as it trains: autocast, normalisation, backbone, head."""
    learner = built.learner
    return lambda pixels_BCHW: learner.forward_context.forward(learner.network, pixels_BCHW)


def compiled_forward(built: Learning, backend: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same with the network compiled."""
    learner = built.learner
    model: Any = torch.compile(learner.network, backend=backend)
    return lambda pixels_BCHW: learner.forward_context.forward(model, pixels_BCHW)


@dataclass
class Clock:
    """A Watcher: when things happened [s since 1970], with the device idle at the first and last
    update of an epoch. stop_at: (epoch, step) after which the process kills itself."""

    stop_at: tuple[int, int] | None = None
    first_step: float | None = None
    last_step: float = 0.0
    epoch_ends_s: list[float] = field(default_factory=list)
    """From the last update of each epoch to its end: evaluation, checkpoint, history."""
    history: list[EpochEntry] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        if self.first_step is None or step == num_steps:
            synchronize()
            self.last_step = time.time()
            self.first_step = self.first_step or self.last_step
        if (epoch, step) == self.stop_at:
            os.kill(os.getpid(), signal.SIGKILL)  # nothing is flushed or closed

    def predicted(self, rows: int, num_rows: int) -> None:
        pass

    def stop_requested(self) -> bool:
        return False

    def epoch_done(self, entry: EpochEntry) -> None:
        synchronize()
        self.epoch_ends_s.append(time.time() - self.last_step)
        self.history.append(entry)

    def say(self, text: str) -> None:
        self.said.append(text)


def train_fold(job: FoldJob, clock: Clock) -> FoldResult:
    """A whole fold without Ray."""
    return run_fold(job, Alone(), clock)


def tiny_run(root: Path, device: str) -> TinyRun:
    """Twelve people in two folds, in float32; checkpoints after every update."""
    tiny = TinyRun.write(root, ("train.precision=float32",))
    return replace(tiny, job=replace(tiny.job, device="cuda" if device == "cuda" else "cpu"))


def logits_of_run(tiny: TinyRun) -> list[npt.NDArray[np.float32]]:
    """Held-out and eval logits of a finished fold."""
    done = tiny.files.result()
    assert done is not None
    names = (tiny.files.held_out_name(done.best_epoch), EVAL_LOGITS)
    return [tiny.logits(name)[1] for name in names]


def predict(tiny: TinyRun, checkpoint: str, device: str) -> npt.NDArray[np.float32]:
    """Logits of a finished fold's checkpoint for all images, on any device."""
    kind = "cuda" if device == "cuda" else "cpu"
    job = PredictJob(tiny.checkpoints.location, checkpoint, tiny.job.pixels, kind, 1)  # type: ignore[arg-type]
    return predict_images(job)[1]


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
