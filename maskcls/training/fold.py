"""One fold from start or checkpoint to its logits; all parts are built here by the configuration.

The fold's folder is the truth for resuming: whatever was lost, the newest whole checkpoint there
says how far the fold is.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config import resolve
from maskcls.config.schema import Config
from maskcls.core.metrics import accuracy, macro_f1
from maskcls.models.weights import clone_state
from maskcls.optim.averaging import fresh_statistics
from maskcls.pixels.cache import CachePlace
from maskcls.sampling.epoch import Epoch
from maskcls.store import run_files as files
from maskcls.store.paths import Folder
from maskcls.store.tables import logits_column, write_table
from maskcls.training import checkpoint, evaluate, seeding
from maskcls.training.building import build_learner
from maskcls.training.checkpoint import Position, Snapshot, Weights
from maskcls.training.feed import Feed
from maskcls.training.fold_data import open_pixels, read_fold_data
from maskcls.training.job import FoldJob
from maskcls.training.loop import Interval, mean_loss_of, require_finite, train_epoch
from maskcls.training.rank import Rank, Watcher, align_buffers


def run_fold(job: FoldJob, rank: Rank, watcher: Watcher) -> dict[str, Any]:
    """Train what is left of a fold, then write its held-out and eval logits; returns its fold.json.

    Every worker of the fold calls this; rank 0 alone writes.
    Raises TrainingDiverged when the loss is no number, RuntimeError when the pixels are not there.
    """
    torch.set_num_threads(job.threads)
    return _Fold(job, rank, watcher).run()


class _Fold:
    """A fold being trained: all its parts, and how far it is."""

    def __init__(self, job: FoldJob, rank: Rank, watcher: Watcher) -> None:
        started, begun = time.monotonic(), time.time()
        self.job, self.rank, self.watcher = job, rank, watcher
        self.config: Config = resolve.from_json(job.config)
        self.folder = files.fold_folder(Folder.at(job.run), job.fold)
        self.checkpoints = self.folder.child("checkpoints")
        self.data = read_fold_data(job, self.config)
        if rank.index == 0:
            self.checkpoints.sweep()  # what a killed attempt left half-written
        self.found = checkpoint.newest(self.checkpoints, watcher.say)
        built = build_learner(job, self.config, self.data, rank, pretrained=self.found is None)
        self.learner, self.built = built.learner, built
        self.snapshot = Snapshot(Position(0, 0), None, [], self._describe())
        self.loss_sum = torch.zeros(
            (), dtype=torch.float64, device=self.learner.forward_context.device
        )
        if self.found is not None:
            self._restore(self.found)
        self.learner.model = rank.wrap(self.learner.network)
        asked = job.asked_at or time.time()
        self.time_s = {
            "start": max(0.0, begun - asked),
            "build": time.monotonic() - started,
            "checkpoint": 0.0,
            "predict": 0.0,
        }

    def _describe(self) -> dict[str, Any]:
        normalization = self.built.normalization
        return {
            "fold": self.job.fold,
            "network": self.built.described.to_json(),
            "geometry": self.job.pixels.geometry.to_json(),
            "normalization": {"mean": normalization.mean, "std": normalization.std},
            "precision": self.config.train.precision,
            "batch_size": self.config.train.batch_size,
            "tta": self.job.config["tta"],
        }

    def _restore(self, name: str) -> None:
        learner = self.learner
        snapshot, self.loss_sum = checkpoint.restore(
            self.checkpoints,
            name,
            learner.network,
            learner.optimizer,
            learner.average,
            self.learner.forward_context.device,
        )
        self.snapshot = Snapshot(
            snapshot.position, snapshot.best, snapshot.history, self.snapshot.describe
        )
        self.watcher.say(f"fold {self.job.fold} goes on from checkpoint {name}")

    def run(self) -> dict[str, Any]:
        while not self._is_over():
            self._train_epoch(self.snapshot.position)
        return self._finish()

    def _is_over(self) -> bool:
        done, best = self.snapshot.position.epochs_done, self.snapshot.best
        if done >= self.config.train.epochs:
            return True
        patience = self.config.train.patience
        at_its_end = self.snapshot.position.steps_done == 0
        return bool(patience and best and at_its_end and done - best["epoch"] >= patience)

    def _train_epoch(self, position: Position) -> None:
        train, epoch, fold = self.config.train, position.epochs_done, self.job.fold
        if position.steps_done == 0:
            seeding.seed_torch("epoch", train.seed, fold, epoch, self.rank.index)
            self.loss_sum = torch.zeros(
                (), dtype=torch.float64, device=self.learner.forward_context.device
            )
        plan = self.built.plan_epoch(epoch)
        due, started = Interval(train.checkpoint_s), time.monotonic()

        def after_step(steps: int, num_steps: int, images: int) -> None:
            self.watcher.step_done(epoch, steps, num_steps, images)
            # All workers must agree on the step, and DDP's own files are rank 0's alone: only a
            # lone worker writes within an epoch.
            if steps < num_steps and self.rank.world == 1 and due.passed():
                require_finite("training loss", self.loss_sum.cpu().numpy(), epoch)
                self._save(Position(epoch, steps), self._weights(), None)

        loss_sum = train_epoch(
            self.learner, plan, train.batch_size, position.steps_done, self.loss_sum, after_step
        )
        loss = mean_loss_of(loss_sum, len(plan.epoch), self.rank, epoch)
        trained = time.monotonic()
        align_buffers(self.learner.network, self.rank)
        average = self.learner.average
        if average is not None:
            average.after_epoch(self.learner.network, epoch, train.epochs)
        with self._kept_weights(plan.epoch):
            logits = self._predict(self.learner.feed, self.data.held_out)
            weights = self._weights_in_use()
        require_finite("held-out logits", logits, epoch)
        seconds = trained - started
        sizes = [len(b) for b in self.learner.batches(plan.epoch.rows, train.batch_size)]
        entry = {
            "epoch": epoch + 1,
            "lr": plan.rate(0, len(sizes)),
            "train_loss": loss,
            **self._scores(logits),
            "images": len(plan.epoch),
            "images_per_s": sum(sizes[position.steps_done :]) / seconds,
            "train_s": seconds,
            "evaluate_s": time.monotonic() - trained,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._end_epoch(entry, weights, logits)

    def _scores(self, logits: npt.NDArray[np.float32]) -> dict[str, float | None]:
        if not len(logits):  # folds.scheme=all holds nobody out
            return {"macro_f1": None, "accuracy": None}
        labels, predicted = self.data.labels[self.data.held_out], logits.argmax(axis=1)
        return {"macro_f1": macro_f1(labels, predicted), "accuracy": accuracy(labels, predicted)}

    @contextmanager
    def _kept_weights(self, epoch: Epoch) -> Iterator[None]:
        """The network with the weights that are evaluated and kept: its own, or their average."""
        average, network = self.learner.average, self.learner.network
        if average is None or not average.is_active():
            yield
            return
        with average.swapped_into(network):
            align_buffers(network, self.rank)
            if average.needs_fresh_statistics:
                self._refresh_statistics(np.unique(epoch.rows))
            yield

    def _refresh_statistics(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the batch norms' statistics anew, by all training rows, on every worker alike."""
        batches = self.learner.batches(rows, self.config.train.batch_size)
        with fresh_statistics(self.learner.network), torch.no_grad():
            for done, pixels_BCHW in enumerate(self.learner.feed.batches(batches)):
                self.learner.forward_context.forward(self.learner.network, pixels_BCHW)
                self.watcher.predicted(done + 1, len(batches))

    def _weights(self) -> Weights:
        """The weights within an epoch; what would be kept at its end is not made for it."""
        average = self.learner.average
        state = average.state() if average else {}
        return Weights(clone_state(self.learner.network), {}, state)

    def _weights_in_use(self) -> Weights:
        """The weights of an epoch's end, inside of _kept_weights."""
        return Weights(clone_state(self.learner.network))

    def _end_epoch(
        self, entry: dict[str, Any], kept: Weights, logits: npt.NDArray[np.float32]
    ) -> None:
        history = [*self.snapshot.history, entry]
        best, old = files.best_of(history), self.snapshot
        self.snapshot = Snapshot(old.position, best, history, old.describe)
        weights, average = kept, self.learner.average
        if average is not None:
            weights = Weights(kept.kept, clone_state(self.learner.network), average.state())
        self._save(Position(entry["epoch"], 0), weights, logits)
        if self.rank.index == 0:
            self.folder.write_bytes("history.jsonl", files.history_text(history))
        self.watcher.epoch_done(entry)
        self.rank.barrier()

    def _save(
        self, position: Position, weights: Weights, held_out: npt.NDArray[np.float32] | None
    ) -> None:
        old = self.snapshot
        self.snapshot = Snapshot(position, old.best, old.history, old.describe)
        if self.rank.index == 0:
            started = time.monotonic()
            checkpoint.save(
                self.checkpoints, self.snapshot, weights, self.learner.optimizer,
                self.loss_sum, held_out,
            )  # fmt: skip
            self.time_s["checkpoint"] += time.monotonic() - started

    def _predict(self, feed: Feed, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # The bare network: DDP's wrapper would ask for a backward pass from every worker.
        return evaluate.predict(
            self.learner.network, feed, rows, self.config.train.batch_size, self.rank,
            self.learner.forward_context, self.config.tta,
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
        if eval_logits is not None:
            require_finite("eval logits", eval_logits[1], best["epoch"] - 1)
        history = self.snapshot.history
        done = {
            "fold": self.job.fold,
            **self._scores(held_out),
            "best_epoch": best["epoch"],
            "epochs": len(history),
            "images": {
                "train": len(self.data.training.rows),
                "train_an_epoch": history[-1]["images"],
                "held_out": len(self.data.held_out),
            },
            "checkpoint": name,
            "model_sha256": self._model_hash(name),
            "threads": self.job.threads,
            "device": str(self.learner.forward_context.device),
            "bfloat16": self.learner.forward_context.bfloat16,
            "channels_last": self.built.channels_last,
            "time_s": self.time_s
            | {
                "train": sum(e["train_s"] for e in history),
                "evaluate": sum(e["evaluate_s"] for e in history),
            },
        }
        if self.rank.index == 0:
            _write_logits(self.folder, "held_out.parquet", self.data.held_out, held_out)
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
        checkpoint.load_model(self.checkpoints, name, self.learner.network)
        feed = Feed([cached.pixels], self.learner.forward_context.device, self.built.channels_last)
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
