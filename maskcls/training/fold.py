"""One fold, from its start or its newest checkpoint to its logits; its state is in its folder alone.

    run_fold = build -> (resume) -> epochs in turn -> predict eval -> fold.json

After any failure, the newest whole checkpoint in the folder says how far the fold is. Every worker
of the fold runs all of it; rank 0 alone writes, and decides for all what to resume from and when to
stop.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import torch

from maskcls.config.resolve import to_json
from maskcls.core.errors import Stopped
from maskcls.core.history import EpochEntry, best_of, is_finished
from maskcls.core.metrics import TITLES, Values, score_of
from maskcls.core.tally import Tally
from maskcls.models.weights import clone_state
from maskcls.optim.averaging import fresh_statistics
from maskcls.sampling.epoch import Epoch
from maskcls.store.attempt import Fence
from maskcls.store.folder import Folder
from maskcls.store.results import FoldImages, FoldResult
from maskcls.store.run import Run
from maskcls.training import checkpoint, evaluate, seeding
from maskcls.training.building import build_learner
from maskcls.training.checkpoint import Described, Keeper, Position, Snapshot, Weights
from maskcls.training.feed import Feed
from maskcls.training.fold_data import open_pixels, read_fold_data
from maskcls.training.job import FoldJob
from maskcls.training.loop import Interval, mean_loss_of, require_finite, train_epoch
from maskcls.training.rank import Rank, Watcher, align_buffers, flag_of_first, text_of_first

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

_AGREE_EVERY = 8
"""Steps after which the workers of a fold agree whether to write a checkpoint within an epoch: an
all-reduce of one number, which after every step would cost measurable time."""


def run_fold(job: FoldJob, rank: Rank, watcher: Watcher) -> FoldResult:
    """Train what is left of a fold, then write its validation and eval logits, and its result.

    Raises TrainingDiverged when the loss is NaN or inf, Stopped after a checkpoint when the watcher
    requests it, Superseded when another attempt has the fold, RuntimeError without the pixels.
    """
    torch.set_num_threads(job.threads)
    training = _FoldTraining(job, rank, watcher)
    train = job.config.train
    # Also where the history is complete: a position within an epoch means that this epoch is not.
    while not (
        training.snapshot.position.steps_done == 0
        and is_finished(training.snapshot.history, train.epochs, train.patience)
    ):
        training.train_epoch()
    return training.finish()


class _FoldTraining:
    """A fold being trained: all its parts, and how far it is."""

    def __init__(self, job: FoldJob, rank: Rank, watcher: Watcher) -> None:
        # monotonic for durations; the time of day only to compare with the driver's asked_at.
        started, began = time.monotonic(), time.time()
        self.job, self.rank, self.watcher, self.config = job, rank, watcher, job.config
        self.files = Run(Folder.at(job.run)).fold(job.fold)
        self.fence = Fence(self.files.attempt, job.attempt)
        self.data = read_fold_data(job)
        if rank.index == 0:
            self.fence.check()
            # Fenced, since sweeping under a successor would delete what it is just writing.
            self.files.checkpoints.sweep()  # what a killed attempt left half-written
        self.keeper = Keeper(self.files.checkpoints, self.fence)
        device = torch.device("cpu") if job.device == "cpu" else torch.device("cuda")
        # Decided by one worker: on a shared disk others may not see the newest one yet, and workers
        # that start from different checkpoints would average gradients of different weights.
        own = self.keeper.newest(watcher.say) if rank.index == 0 else None
        found = text_of_first(own, rank, device)
        self.built = build_learner(job, self.data, rank, pretrained=found is None)
        self.learner = self.built.learner
        self.device = self.learner.forward_context.device
        self.snapshot = Snapshot(Position(0, 0), [], self._describe())
        self.loss_sum = self._zero()
        if found is not None:
            self._resume_from(found)
        # After resuming: DDP copies rank 0's parameters and buffers to all workers when it is built.
        self.learner.model = rank.wrap(self.learner.network)
        asked = job.asked_at or time.time()
        self.time_s = {
            "start": max(0.0, began - asked),
            "build": time.monotonic() - started,
            "checkpoint": 0.0,
            "predict": 0.0,
        }

    def _zero(self) -> torch.Tensor:
        # float64: over an epoch of many batches, a float32 sum would lose the digits of single losses.
        # On the device, so that adding to it does not make the CPU wait for the GPU.
        return torch.zeros((), dtype=torch.float64, device=self.device)

    def _describe(self) -> Described:
        """What prediction needs to know of the network; see checkpoint.Snapshot."""
        normalization = self.built.normalization
        return {
            "fold": self.job.fold,
            "network": self.built.described.to_json(),
            "geometry": self.job.pixels.geometry.to_json(),
            "normalization": {"mean": normalization.mean, "std": normalization.std},
            "precision": self.config.train.precision,
            "batch_size": self.config.train.batch_size,
            "tta": to_json(self.config)["tta"],
        }

    def _resume_from(self, name: str) -> None:
        learner = self.learner
        snapshot, self.loss_sum = checkpoint.restore(self.files.checkpoints, name, learner)
        self.snapshot = Snapshot(snapshot.position, snapshot.history, self.snapshot.describe)
        if self.rank.index > 0:
            # The checkpoint has rank 0's random state, with which all workers would draw the same
            # dropout masks; and the loss of all workers together, which must count once.
            position = snapshot.position
            numbers = (position.epochs_done, self.rank.index, position.steps_done)
            seeding.seed_torch("epoch", self.config.train.seed, self.job.fold, *numbers)
            self.loss_sum = self._zero()
        self.watcher.say(f"resumes from checkpoint {name}")

    def train_epoch(self) -> None:
        """Train what is left of the present epoch, score it on the validation fold, write a
        checkpoint.
        """
        train, position = self.config.train, self.snapshot.position
        epoch = position.epochs_done
        if position.steps_done == 0:
            # Anew at each epoch, so that an epoch does not depend on the draws of those before it; by
            # rank, so that workers do not share dropout masks.
            seeding.seed_torch("epoch", train.seed, self.job.fold, epoch, self.rank.index)
            self.loss_sum = self._zero()
        plan = self.built.plan_epoch(epoch)
        due, started = Interval(train.checkpoint_s), time.monotonic()

        def after_step(steps: int, num_steps: int, images: int) -> None:
            self.watcher.step_done(epoch, steps, num_steps, images)
            # At an epoch's last step its own checkpoint follows anyway.
            if steps < num_steps and (self.rank.world == 1 or steps % _AGREE_EVERY == 0):
                self._checkpoint_within(Position(epoch, steps), due)

        loss_sum = train_epoch(
            self.learner, plan, train.batch_size, position.steps_done, self.loss_sum, after_step
        )
        loss = mean_loss_of(loss_sum, len(plan.epoch), self.rank, epoch)
        # Reading the loss has waited for the GPU, so the time includes all steps.
        trained = time.monotonic()
        # The running statistics of rank 0 go into the checkpoint, so they are the ones to be scored.
        align_buffers(self.learner.network, self.rank)
        average = self.learner.average
        if average is not None:
            average.after_epoch(self.learner.network, epoch, train.epochs)
        with self._kept_weights(plan.epoch):
            logits = self._predict(self.learner.feed, self.data.held_out)
            # Cloned inside: on leaving, the network has the weights again that training continues with.
            kept = clone_state(self.learner.network)
        # Every worker has the logits of all rows, so all raise here, or none.
        require_finite("held-out logits", logits, epoch)
        # Images of this call alone: a resumed epoch did not train on those before its checkpoint.
        sizes = [len(b) for b in self.learner.batches(plan.epoch.rows, train.batch_size)]
        metrics = self._metrics(logits)
        score = score_of(self.job.task.metric, metrics)
        entry = EpochEntry(
            epoch=epoch + 1,
            lr=plan.rate(0, len(sizes)),
            train_loss=loss,
            score=score,
            metrics=metrics,
            images=len(plan.epoch),
            images_per_s=sum(sizes[position.steps_done :]) / (trained - started),
            train_s=trained - started,
            evaluate_s=time.monotonic() - trained,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._end_epoch(entry, kept, logits)

    def _checkpoint_within(self, position: Position, due: Interval) -> None:
        """Write a checkpoint within the epoch when one is due or the driver wants the fold to stop."""
        stop = self._stop_agreed()
        if not stop and not flag_of_first(due.passed(), self.rank, self.device):
            return
        # Before writing: every later attempt would resume from weights with NaN. The copy to the CPU
        # waits for the GPU, which only a checkpoint that is due may do.
        require_finite("training loss", self.loss_sum.cpu().numpy(), position.epochs_done)
        average = self.learner.average
        # The average is not evaluated here, so the weights are those being trained; the average's own
        # state is stored beside them.
        weights = Weights(clone_state(self.learner.network), {}, average.state() if average else {})
        self._save(position, weights)
        if stop:
            self._stop(position)

    def _stop_agreed(self) -> bool:
        wanted = self.rank.index == 0 and self.watcher.stop_requested()
        return flag_of_first(wanted, self.rank, self.device)

    def _stop(self, position: Position) -> None:
        self.rank.barrier()  # the checkpoint is complete before any worker ends
        raise Stopped(f"fold {self.job.fold} stopped after checkpoint {position.name}")

    def _metrics(self, logits: Float32) -> Values:
        """The task's metrics on the validation fold; {} without one."""
        if not len(logits):  # folds.scheme=all has no validation set
            return {}
        task, labels = self.job.task, self.data.labels[self.data.held_out]
        values = Tally.of(task, labels, logits).values()
        if task.metric not in values and not self.snapshot.history:
            # Once, at the first epoch: a validation fold is the same at each of them.
            self.watcher.say(
                f"all images of the validation fold are {task.classes[int(labels[0])]}, so that its"
                f" {TITLES[task.metric]} is not defined: the last epoch counts"
            )
        return values

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
                # Each row once: copies that balance the classes would shift the statistics.
                self._refresh_statistics(np.unique(epoch.rows))
            yield

    def _refresh_statistics(self, rows: Int64) -> None:
        """Recompute BatchNorm's statistics over all training rows, on every worker."""
        # All rows on every worker rather than a share each: equal results without a reduction of
        # means and variances.
        batches = self.learner.batches(rows, self.config.train.batch_size)
        with fresh_statistics(self.learner.network), torch.no_grad():
            for done, pixels_BCHW in enumerate(self.learner.feed.batches(batches)):
                self.learner.forward_context.forward(self.learner.network, pixels_BCHW)
                self.watcher.predicted(done + 1, len(batches))

    def _end_epoch(self, entry: EpochEntry, kept: dict[str, torch.Tensor], logits: Float32) -> None:
        history = [*self.snapshot.history, entry]
        self.snapshot = Snapshot(self.snapshot.position, history, self.snapshot.describe)
        weights, average = Weights(kept), self.learner.average
        if average is not None:
            # The swap is over: the network has the raw weights again.
            weights = Weights(kept, clone_state(self.learner.network), average.state())
        position = Position(entry.epoch, 0)
        if self.rank.index == 0:
            # Before the checkpoint: one that is whole implies the logits of its epoch.
            self.fence.check()
            self.files.write_held_out(entry.epoch, self.data.held_out, logits)
        self._save(position, weights)
        if self.rank.index == 0:
            self.fence.check()
            # After the checkpoint: the history must not list an epoch that a resumed fold repeats.
            self.files.write_history(history)
        self.watcher.epoch_done(entry)
        train = self.config.train
        # A fold after its last epoch is not stopped: only predicting the eval images is left.
        if not is_finished(history, train.epochs, train.patience) and self._stop_agreed():
            self._stop(position)
        self.rank.barrier()

    def _save(self, position: Position, weights: Weights) -> None:
        old = self.snapshot
        self.snapshot = Snapshot(position, old.history, old.describe)
        # Outside the branch: an all-reduce that only rank 0 calls would wait for ever.
        loss_sum = self.rank.sum(self.loss_sum)
        if self.rank.index == 0:
            started = time.monotonic()
            self.keeper.save(self.snapshot, weights, self.learner, loss_sum)
            self.time_s["checkpoint"] += time.monotonic() - started

    def _predict(self, feed: Feed, rows: Int64) -> Float32:
        # The bare network: DDP's wrapper would expect a backward pass from every worker.
        return evaluate.predict(
            self.learner.network,
            feed,
            rows,
            self.config.train.batch_size,
            self.rank,
            self.learner.forward_context,
            self.config.tta,
            self.watcher.predicted,
        )

    def finish(self) -> FoldResult:
        """Predict the eval images with the kept epoch's weights; write the rest, fold.json last."""
        history = self.snapshot.history
        keep = self.config.train.keep
        best = best_of(history, keep)
        assert best is not None
        name = Position(best.epoch, 0).name
        # From disk even if the kept epoch is the last: with an average, the network holds the raw
        # weights by now.
        checkpoint.require_whole(self.files.checkpoints, name)
        checkpoint.load_model(self.files.checkpoints, name, self.learner.network)
        self._restore_held_out(best.epoch)
        self._predict_eval(best.epoch)
        context = self.learner.forward_context
        result = FoldResult(
            fold=self.job.fold,
            score=best.score,
            metrics=history[best.epoch - 1].metrics,
            best_epoch=best.epoch,
            epochs=len(history),
            images=FoldImages(
                train=len(self.data.training.rows),
                train_an_epoch=history[-1].images,
                held_out=len(self.data.held_out),
            ),
            checkpoint=name,
            model_sha256=checkpoint.model_sha256(self.files.checkpoints, name),
            threads=self.job.threads,
            device=str(context.device),
            precision=context.precision,
            channels_last=self.built.channels_last,
            time_s=self.time_s
            | {
                "train": sum(entry.train_s for entry in history),
                "evaluate": sum(entry.evaluate_s for entry in history),
            },
            keep=keep,
        )
        if self.rank.index == 0:
            self.fence.check()
            # Again: after a kill between checkpoint and history, the last line is missing.
            self.files.write_history(history)
            # Last, as its presence says that the fold is done.
            self.files.write_result(result)
        self.rank.barrier()
        return result

    def _restore_held_out(self, epoch: int) -> None:
        """Predict the kept epoch's validation rows again if their logits were deleted."""
        # Rank 0's answer for all: predicting is collective.
        there = self.files.folder.exists(self.files.held_out_name(epoch))
        if flag_of_first(there, self.rank, self.device):
            return
        logits = self._predict(self.learner.feed, self.data.held_out)
        if self.rank.index == 0:
            self.fence.check()
            self.files.write_held_out(epoch, self.data.held_out, logits)

    def _predict_eval(self, epoch: int) -> None:
        """Write the eval logits, where there are eval images."""
        if self.job.eval_pixels is None:
            return
        started = time.monotonic()
        cached = open_pixels(self.job.eval_pixels)
        # Rows that could not be decoded are black, which a network would classify all the same.
        rows = np.setdiff1d(np.arange(len(cached.pixels)), list(cached.faults)).astype(np.int64)
        feed = Feed([cached.pixels], self.device, self.built.channels_last)
        logits = self._predict(feed, rows)
        require_finite("eval logits", logits, epoch - 1)
        if self.rank.index == 0:
            self.fence.check()
            self.files.write_eval_logits(rows, logits)
        self.time_s["predict"] = time.monotonic() - started
