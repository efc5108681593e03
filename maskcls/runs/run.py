"""A command's work on a run's folder: prepare it, place and train its folds, collect them."""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from maskcls.cluster.plan import Machine, Plan, make_plan
from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core import system
from maskcls.core.errors import RunFailed, UserError, told_may_pass
from maskcls.core.progress import Progress
from maskcls.data.table import TRAIN_CSV
from maskcls.evaluation import out_of_fold
from maskcls.folds.assign import small_groups
from maskcls.folds.splits import IMAGE_STAMP, draw_splits
from maskcls.pixels.cache import CachedPixels, cache_root
from maskcls.runs import identity
from maskcls.runs.dataset import DataSet, read_data_set
from maskcls.runs.inputs import Inputs, read_inputs
from maskcls.runs.pixels import RunPixels
from maskcls.runs.preflight import Preflight
from maskcls.runs.settings import with_absolute_paths
from maskcls.store import manifest, run_files
from maskcls.store import record as records
from maskcls.store.lease import Lease
from maskcls.store.paths import Folder
from maskcls.store.tables import write_parts, write_table

if TYPE_CHECKING:
    from maskcls.cluster.session import Session
    from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)


class FoldsFailed(RunFailed):
    """Folds of a run failed; by_training: an error in the training of one, which would come again."""

    def __init__(self, text: str, by_training: bool) -> None:
        super().__init__(text)
        self.by_training = by_training


@dataclass(frozen=True)
class Ready:
    """All that was read and checked before anything starts.

    folds: folds.parquet as it should be. network: what the network is, from the preflight or from
    the run's first start.
    """

    data_folder: Folder
    run: Folder
    config: Config
    data_set: DataSet
    folds: pd.DataFrame
    inputs: Inputs
    network: dict[str, Any]
    cache: Path


def get_ready(
    data: str, run: str, config: Config, progress: Progress, marker: str = "config.json"
) -> Ready:
    """Read and check everything; tells what is odd. Raises UserError for what is wrong.

    marker: the file that tells a folder which the command may go on with.
    """
    data_folder, run_folder = Folder.at(data), Folder.at(run)
    config = with_absolute_paths(config)
    identity.refuse_no_run(run_folder, marker)
    preflight = None if run_folder.exists("network.json") else Preflight(config)
    try:
        cache = cache_root(config.cluster.cache_dir)
        data_set = read_data_set(data_folder, cache)
        folds = draw_splits(data_set.table, config.folds)
        inputs = read_inputs(config, data_set, folds, cache)
        for finding in data_set.table.findings:
            progress.warn(f"{finding.where}: {finding.text}")
        if config.folds.scheme == "kfold":
            for sentence in small_groups(data_set.table.people, config.folds.count):
                progress.warn(sentence)
        if config.folds.scheme == "image":
            progress.warn(IMAGE_STAMP)
        for note in inputs.notes:
            progress.say(note)
        network = preflight.answer() if preflight else run_folder.read_json("network.json")
    finally:
        if preflight:
            preflight.cancel()
    return Ready(data_folder, run_folder, config, data_set, folds, inputs, network, cache)


class RunWork:
    """One command's work on a run, under its lease."""

    def __init__(self, ready: Ready, progress: Progress, lease: Lease) -> None:
        self.data_folder, self.run_folder, self.config = ready.data_folder, ready.run, ready.config
        self.data_set, self.inputs, self.cache = ready.data_set, ready.inputs, ready.cache
        self.folds, self.network = ready.folds, ready.network
        self.progress, self.lease = progress, lease
        self.num_folds = run_files.num_folds(to_json(ready.config))
        config, cache = ready.config, ready.cache
        self.images = RunPixels(
            ready.data_set, ready.inputs.extra_images, config.image, cache, progress
        )
        self.record: dict[str, Any] = {}
        self.time_s: dict[str, float] = {}

    def prepare(self) -> None:
        """Refuse what does not belong to the run; write what it is before anything trains."""
        run, inputs, folds, network = self.run_folder, self.inputs, self.folds, self.network
        described = self.data_set.describe(self.data_folder.shown) | inputs.described
        identity.refuse_no_run(run)  # again, now that nobody else works on it
        run.sweep()
        if run.exists("config.json"):
            identity.refuse_other_settings(run, self.config)
        if run.exists("network.json"):
            identity.refuse_other_weights(run, network)
        found = records.read_record(run)
        if found is not None:
            identity.refuse_other_data(run, found["data"], described)
        self.record = found or records.new_record(described)
        if run.exists("folds.parquet"):
            identity.refuse_other_folds(run, folds)
        else:
            run.write_json("config.json", to_json(self.config))
            run.write_json("network.json", network)
            write_table(run, "table.parquet", _table_of(self.data_set, inputs))
            if inputs.extra is not None:
                write_table(run, "extra_table.parquet", inputs.extra)
            if inputs.pseudo is not None:
                write_table(run, "pseudo.parquet", inputs.pseudo)
            if self.data_set.table.eval_images is not None:
                evals = self.data_set.table.eval_images[["ImageID", "path"]]
                write_table(run, "eval_table.parquet", evals)
            run.write_json("record.json", self.record)
            # Last: a run that has its folds has everything that says what it is.
            write_table(run, "folds.parquet", folds)

    def run(self) -> dict[str, Any]:
        """Train what is left and collect; the run's metrics."""
        count = self.num_folds
        done = [run_files.read_done(self.run_folder, fold) for fold in range(count)]
        if all(d is not None for d in done) and not self._without_logits():
            if all(map(self.run_folder.exists, ("metrics.json", *self._logits))):
                self.progress.say(f"{self.run_folder}: all {count} folds are done already")
                metrics: dict[str, Any] = self.run_folder.read_json("metrics.json")
                return metrics
            if (there := self.images.there()) is not None:
                return self._collect(*there)
        return self._with_ray()

    @property
    def _logits(self) -> tuple[str, ...]:
        """The run's tables of logits, and, but for the first, each fold's."""
        return ("oof.parquet", "eval.parquet") if self.images.eval_place else ("oof.parquet",)

    def _without_logits(self) -> list[Folder]:
        """Finished folds whose logits somebody deleted; UserError when no checkpoint can make them."""
        names, found = ("held_out.parquet", *self._logits[1:]), []
        for fold in range(self.num_folds):
            folder = run_files.fold_folder(self.run_folder, fold)
            done = run_files.read_done(self.run_folder, fold)
            if done is None or all(map(folder.exists, names)):
                continue
            # The last one, since the fold goes on from it; the best one, since that predicts.
            for name in (f"epoch-{done['epochs']:04d}", done["checkpoint"]):
                if why := manifest.why_invalid(folder.child("checkpoints"), name):
                    raise UserError(
                        f"{folder}: its logits are gone, and checkpoint {name}, which would make them"
                        f" again, is not whole ({why}); put one of them back, or delete {folder} to"
                        " train this fold again."
                    )
            found.append(folder)
        return found

    def _with_ray(self) -> dict[str, Any]:
        from maskcls.cluster.session import ray_session

        started = time.monotonic()
        dashboard = self.config.cluster.dashboard
        with ray_session(self.cache, dashboard, self.progress) as session:
            self.time_s["ray_start"] = time.monotonic() - started
            self._note_dashboard(session.dashboard)
            pixels, eval_pixels = self._train_in(session)
        return self._collect(pixels, eval_pixels)

    def _note_dashboard(self, address: str | None) -> None:
        """For `maskcls status`, which asks there about the workers."""
        if address and self.record["starts"]:
            self.record["starts"][-1]["dashboard"] = address
            self.run_folder.write_json("record.json", self.record)

    def run_in(self, session: "Session") -> dict[str, Any]:
        """As run, where Ray is there already."""
        return self._collect(*self._train_in(session))

    def _train_in(self, session: "Session") -> tuple[CachedPixels, CachedPixels | None]:
        plan = self.plan(session.machine(self.config.cluster.resources_per_worker))
        self.require_shared(plan, session.own_node())
        for folder in self._without_logits():
            self.progress.warn(f"{folder}: its logits are gone and are written again")
            folder.delete("fold.json")
        system.release_memory()
        started = time.monotonic()
        pixels, eval_pixels = self.pixels(session.own_node())
        self.time_s["pixels"] = time.monotonic() - started
        started = time.monotonic()
        self._train(plan, session)
        self.time_s["folds"] = time.monotonic() - started
        return pixels, eval_pixels

    def plan(self, machine: Machine, threads: Mapping[int, int] | None = None) -> Plan:
        """Where the folds go; the same as at the run's first start, and recorded.

        threads: of folds that are placed by somebody else, at the run's first start.
        """
        recorded = self.record.get("plan")
        plan = make_plan(self.config.cluster, self.num_folds, machine, recorded)
        if recorded is None and threads:
            own = tuple(threads.get(fold, n) for fold, n in enumerate(plan.threads))
            plan = replace(plan, threads=own)
        self.progress.say(
            f"{plan.reason}: {plan.folds_at_once} of {self.num_folds} folds at a time,"
            f" threads per worker {', '.join(map(str, plan.threads))}"
        )
        if recorded is None:
            self.record["plan"] = asdict(plan)
            self.run_folder.write_json("record.json", self.record)
        return plan

    def require_shared(self, plan: Plan, own_node: str | None) -> None:
        """UserError when DATA, RUN and rows.extra are not on storage that all machines reach."""
        if own_node is None:
            return
        from maskcls.cluster.nodes import require_shared

        files = [(self.run_folder, "record.json"), (self.data_folder, TRAIN_CSV)]
        if self.images.extra_place is not None:
            files.append((Folder.at(self.config.rows.extra), TRAIN_CSV))
        require_shared(plan, own_node, files, self.progress, "DATA, RUN and rows.extra")

    def pixels(self, node: str | None) -> tuple[CachedPixels, CachedPixels | None]:
        """As RunPixels.ensure, and writes faults.json."""
        found = self.images.ensure(node)
        self.run_folder.write_json("faults.json", self.images.faults(*found))
        return found

    def jobs(self, plan: Plan, home: str | None) -> "list[FoldJob]":
        """What each fold's worker needs to know; home: see FoldJob."""
        from maskcls.training.job import FoldJob

        config = to_json(self.config)
        return [
            FoldJob(
                self.run_folder.location,
                self.data_folder.location,
                fold,
                config,
                self.images.place,
                self.images.eval_place,
                plan.device,
                plan.threads[fold],
                self.images.extra_place,
                home=home,
            )
            for fold in range(self.num_folds)
        ]

    def _train(self, plan: Plan, session: Any) -> None:
        from maskcls.cluster.fold_queue import train_folds

        jobs = self.jobs(plan, session.own_node())
        name = _display_name(self.run_folder)
        outcomes = train_folds(
            jobs, plan, name, self._ray_records(session), session.is_local,
            self.config.cluster.retries,
            self.config.cluster.stall_s, self.progress, self.lease.check,
        )  # fmt: skip
        failed = {fold: o for fold, o in sorted(outcomes.items()) if o.kind != "done"}
        for fold, outcome in failed.items():
            if outcome.detail:
                _log.error("fold=%s %s", fold, outcome.detail)
        if failed:
            lines = [f"fold {fold} failed: {o.text}" for fold, o in failed.items()]
            done = self.num_folds - len(failed)
            lines.append(f"{done} folds are done; the same command tries the others.")
            if all(o.kind == "mistake" for o in failed.values()):
                raise UserError("\n".join(lines))
            errors = [o.text for o in failed.values() if o.kind == "error"]
            by_training = any(not told_may_pass(text) for text in errors)
            raise FoldsFailed("\n".join(lines), by_training)

    def _ray_records(self, session: Any) -> Folder:
        """Where Ray Train keeps what it shows; ours decides, so a local run's is thrown away."""
        if session.temporary is None:
            return self.run_folder.child("ray")
        return Folder.at(session.temporary / "train")

    def _collect(self, pixels: CachedPixels, eval_pixels: CachedPixels | None) -> dict[str, Any]:
        """Write oof.parquet, eval.parquet and, last, metrics.json."""
        del (
            self.data_set,
            self.inputs,
            self.folds,
            self.images,
        )  # from here on the files tell; two tables are one too many
        system.release_memory()
        run, count = self.run_folder, self.num_folds
        per_repeat = run_files.folds_per_repeat(to_json(self.config))
        started = time.monotonic()
        done = [run_files.read_done(run, fold) for fold in range(count)]
        scored = out_of_fold.write_out_of_fold(run, count, per_repeat, pixels.faults)
        if eval_pixels is not None:
            evals = out_of_fold.eval_parts(run, range(count), per_repeat, eval_pixels.faults)
            write_parts(run, "eval.parquet", evals)
        folds_json = [d for d in done if d is not None]
        metrics = out_of_fold.run_metrics(scored, folds_json, per_repeat)
        if self.config.folds.scheme == "image":
            metrics["warning"] = IMAGE_STAMP
        if pixels.fallbacks or (eval_pixels and eval_pixels.fallbacks):
            metrics["no_face_found"] = {
                "train": len(pixels.fallbacks),
                "eval": len(eval_pixels.fallbacks) if eval_pixels else 0,
            }
        faults = run.read_json("faults.json")
        metrics["train_faults"] = len(faults["train"]) + len(faults["extra"])
        metrics["eval_faults"] = len(faults["eval"])
        for part in ("start", "build", "train", "evaluate", "predict", "checkpoint"):
            self.time_s[f"fold_{part}_sum"] = sum(d["time_s"][part] for d in folds_json)
        self.time_s["collect"] = time.monotonic() - started
        metrics["time_s"] = {name: round(s, 3) for name, s in self.time_s.items()}
        run.write_json("metrics.json", metrics)
        return metrics


def _table_of(data_set: DataSet, inputs: Inputs) -> pa.Table:
    images = data_set.table.images
    columns: dict[str, Any] = {"path": pa.array(images["path"], pa.string())}
    for name in ("person", "shot"):
        # By way of the categories: a Python string for each row would cost more than the table.
        names = pa.array(images[name].cat.categories, pa.string())
        columns[name] = names.take(pa.array(images[name].cat.codes.to_numpy()))
    for name in ("mask", "gender", "age", "age_group", "label"):
        columns[name] = images[name].to_numpy()
    columns["train_label"] = inputs.train.classes.astype(np.int8)
    columns["train_age"] = inputs.train.ages.astype(np.int16)
    return pa.table(columns)


def _display_name(run: Folder) -> str:
    """The run's name in Ray's records, which become file names: short and plain."""
    path = run.location if run.is_local else run.location.partition("?")[0]
    name = path.rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:60]
