"""One fold from start or checkpoint to its logits; all parts are built here by the configuration.

The fold's folder is the truth for resuming: whatever was lost, the newest whole checkpoint there
says how far the fold is.
"""

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config import parts, resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.metrics import accuracy, macro_f1
from maskcls.models import backbone
from maskcls.optim import factory
from maskcls.pixels.cache import CachedPixels, CachePlace, open_cache
from maskcls.store import run_files as files
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, write_table
from maskcls.training import checkpoint, evaluate, seeding
from maskcls.training.checkpoint import Position, Snapshot
from maskcls.training.device import Arithmetic, pick_device
from maskcls.training.feed import Feed, batches_of_epoch
from maskcls.training.job import FoldJob
from maskcls.training.loop import (
    Interval,
    Learner,
    mean_loss_of,
    require_finite,
    train_epoch,
)
from maskcls.training.rank import Rank, align_buffers
from maskcls.training.watcher import Watcher


def run_fold(job: FoldJob, rank: Rank, watcher: Watcher) -> dict[str, Any]:
    """Train what is left of a fold, then write its held-out and eval logits; returns its fold.json.

    Every worker of the fold calls this; rank 0 alone writes.
    Raises TrainingDiverged when the loss is no number, RuntimeError when the pixels are not there.
    """
    torch.set_num_threads(job.threads)
    return _Fold(job, rank, watcher).run()


def open_pixels(place: CachePlace) -> CachedPixels:
    """The decoded photos; RuntimeError when they are gone since the run started."""
    pixels = open_cache(place)
    if pixels is None:
        raise RuntimeError(f"{place.folder}: the decoded pixels are gone or damaged; run again")
    return pixels


class _Fold:
    """A fold being trained: all its parts, and how far it is."""

    def __init__(self, job: FoldJob, rank: Rank, watcher: Watcher) -> None:
        started, begun = time.monotonic(), time.time()
        self.job, self.rank, self.watcher = job, rank, watcher
        self.config: Config = resolve.from_json(job.config)
        run = Folder.at(job.run)
        self.folder = files.fold_folder(run, job.fold)
        self.checkpoints = self.folder.child("checkpoints")
        self.device = pick_device(job.device)
        cached = open_pixels(job.pixels)
        self.rows = files.read_fold_rows(run, job.fold, set(cached.faults))
        if not len(self.rows.train) or not len(self.rows.held_out):
            raise UserError(f"fold {job.fold}: no photo can be decoded on one of its two sides.")
        if rank.index == 0:
            self.checkpoints.sweep()  # what a killed attempt left half-written
        self.found = checkpoint.newest(self.checkpoints, watcher.say)
        seeding.seed_torch("initial values", self.config.train.seed, job.fold)
        # Weights need not be fetched when a checkpoint replaces them at once.
        network, normalization = backbone.build(
            self.config.model, self.config.image.size, pretrained=self.found is None
        )
        channels_last = backbone.wants_channels_last(self.config.model)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        optimizer = factory.build(self.network, self.config.optim)
        loss = parts.load("loss.name", self.config.loss.name)
        settings = parts.settings_of(
            loss, self.config.loss.settings, f"loss.{self.config.loss.name}"
        )
        arithmetic = Arithmetic(self.device, self.config.train.precision, normalization)
        self.snapshot = Snapshot(Position(0, 0), None, [], self._describe(normalization))
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        if self.found is not None:
            self._restore(self.found, optimizer)
        self.learner = Learner(
            rank.wrap(self.network), optimizer, loss.build(settings),
            Feed(cached.pixels, self.device, channels_last), arithmetic, rank,
        )  # fmt: skip
        self.channels_last = channels_last
        asked = job.asked_at or time.time()
        self.time_s = {
            "start": max(0.0, begun - asked),
            "build": time.monotonic() - started,
            "checkpoint": 0.0,
            "predict": 0.0,
        }

    def _describe(self, normalization: backbone.Normalization) -> dict[str, Any]:
        return {
            "fold": self.job.fold,
            "model": self.job.config["model"] | {"weights": "none"},
            "geometry": self.job.pixels.geometry.to_json(),
            "normalization": {"mean": normalization.mean, "std": normalization.std},
            "precision": self.config.train.precision,
            "batch_size": self.config.train.batch_size,
        }

    def _restore(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        snapshot, self.loss_sum = checkpoint.restore(
            self.checkpoints, name, self.network, optimizer, self.device
        )
        self.snapshot = Snapshot(
            snapshot.position, snapshot.best, snapshot.history, self.snapshot.describe
        )
        self.watcher.say(f"fold {self.job.fold} goes on from checkpoint {name}")

    def run(self) -> dict[str, Any]:
        while self.snapshot.position.epochs_done < self.config.train.epochs:
            self._train_epoch(self.snapshot.position)
        return self._finish()

    def _train_epoch(self, position: Position) -> None:
        train, epoch = self.config.train, position.epochs_done
        if position.steps_done == 0:
            seeding.seed_torch("epoch", train.seed, self.job.fold, epoch, self.rank.index)
            self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        rate = factory.rate_of_epoch(self.config.optim, epoch)
        factory.set_rate(self.learner.optimizer, rate)
        order = seeding.order_of_epoch(self.rows.train, train.seed, self.job.fold, epoch)
        due, started = Interval(train.checkpoint_s), time.monotonic()

        def after_step(steps: int, num_steps: int, images: int) -> None:
            self.watcher.step_done(epoch, steps, num_steps, images)
            # All workers must agree on the step, and DDP's own files are rank 0's alone: only a
            # lone worker writes within an epoch.
            if steps < num_steps and self.rank.world == 1 and due.passed():
                require_finite("training loss", self.loss_sum.cpu().numpy(), epoch)
                self._save(Position(epoch, steps), None)

        loss_sum = train_epoch(
            self.learner, order, self.rows.labels, train.batch_size, position.steps_done,
            self.loss_sum, after_step,
        )  # fmt: skip
        loss = mean_loss_of(loss_sum, len(order), self.rank, epoch)
        trained = time.monotonic()
        align_buffers(self.network, self.rank)
        logits = self._predict(self.learner.feed, self.rows.held_out)
        require_finite("held-out logits", logits, epoch)
        labels, predicted = self.rows.labels[self.rows.held_out], logits.argmax(axis=1)
        seconds = trained - started
        now = batches_of_epoch(order, train.batch_size)[position.steps_done :]
        entry = {
            "epoch": epoch + 1,
            "lr": rate,
            "train_loss": loss,
            "macro_f1": macro_f1(labels, predicted),
            "accuracy": accuracy(labels, predicted),
            "images": len(order),
            "images_per_s": sum(len(batch) for batch in now) / seconds,
            "train_s": seconds,
            "evaluate_s": time.monotonic() - trained,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._end_epoch(entry, logits)

    def _end_epoch(self, entry: dict[str, Any], logits: npt.NDArray[np.float32]) -> None:
        best = self.snapshot.best
        if best is None or entry["macro_f1"] > best["macro_f1"]:
            best = {"epoch": entry["epoch"], "macro_f1": entry["macro_f1"]}
        history = [*self.snapshot.history, entry]
        self.snapshot = Snapshot(self.snapshot.position, best, history, self.snapshot.describe)
        self._save(Position(entry["epoch"], 0), logits)
        if self.rank.index == 0:
            self.folder.write_bytes("history.jsonl", files.history_text(history))
        self.watcher.epoch_done(entry)
        self.rank.barrier()

    def _save(self, position: Position, held_out: npt.NDArray[np.float32] | None) -> None:
        old = self.snapshot
        self.snapshot = Snapshot(position, old.best, old.history, old.describe)
        if self.rank.index == 0:
            started = time.monotonic()
            checkpoint.save(
                self.checkpoints, self.snapshot, self.network, self.learner.optimizer,
                self.loss_sum, held_out,
            )  # fmt: skip
            self.time_s["checkpoint"] += time.monotonic() - started

    def _predict(self, feed: Feed, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # The bare network: DDP's wrapper would ask for a backward pass from every worker.
        return evaluate.predict(
            self.network, feed, rows, self.config.train.batch_size, self.rank,
            self.learner.arithmetic,
            self.watcher.predicted,
        )  # fmt: skip

    def _finish(self) -> dict[str, Any]:
        best = self.snapshot.best
        assert best is not None
        name = Position(best["epoch"], 0).name
        checkpoint.require_whole(self.checkpoints, name)
        held_out = checkpoint.read_held_out(self.checkpoints, name)
        eval_logits = (
            self._predict_eval(name, self.job.eval_pixels) if self.job.eval_pixels else None
        )
        labels, predicted = self.rows.labels[self.rows.held_out], held_out.argmax(axis=1)
        history = self.snapshot.history
        done = {
            "fold": self.job.fold,
            "macro_f1": macro_f1(labels, predicted),
            "accuracy": accuracy(labels, predicted),
            "best_epoch": best["epoch"],
            "images": {"train": len(self.rows.train), "held_out": len(self.rows.held_out)},
            "checkpoint": name,
            "model_sha256": self._model_hash(name),
            "threads": self.job.threads,
            "device": str(self.device),
            "bfloat16": self.learner.arithmetic.bfloat16,
            "channels_last": self.channels_last,
            "time_s": self.time_s
            | {
                "train": sum(e["train_s"] for e in history),
                "evaluate": sum(e["evaluate_s"] for e in history),
            },
        }
        if self.rank.index == 0:
            _write_logits(self.folder, "held_out.parquet", self.rows.held_out, held_out)
            if eval_logits is not None:
                _write_logits(self.folder, "eval.parquet", *eval_logits)
            # Again: the last line is missing after a kill between checkpoint and history.
            self.folder.write_bytes("history.jsonl", files.history_text(history))
            self.folder.write_json("fold.json", done)
        self.rank.barrier()
        return done

    def _predict_eval(
        self, name: str, place: CachePlace
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        started = time.monotonic()
        cached = open_pixels(place)
        rows = np.setdiff1d(np.arange(len(cached.pixels)), list(cached.faults)).astype(np.int64)
        checkpoint.load_model(self.checkpoints, name, self.network)
        feed = Feed(cached.pixels, self.device, self.channels_last)
        logits = self._predict(feed, rows)
        self.time_s["predict"] = time.monotonic() - started
        return rows, logits

    def _model_hash(self, name: str) -> str:
        whole = self.checkpoints.read_json(f"{name}/manifest.json")
        return str(whole["files"]["model.safetensors"]["sha256"])


def _write_logits(
    folder: Folder, name: str, rows: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]
) -> None:
    import pyarrow as pa

    column = logits_column(logits, np.ones(len(logits), bool))
    write_table(folder, name, pa.table({"row": rows, "logits": column}))
