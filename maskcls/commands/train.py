"""`maskcls train`: from a folder of photos to five folds' logits and an out-of-fold score."""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from maskcls.cluster.plan import Machine, Plan, make_plan
from maskcls.commands import run_identity as identity
from maskcls.commands.datasets import DataSet, read_data_set
from maskcls.commands.preflight import Preflight
from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core import memory
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.folds import assign_folds, fold_table, small_groups
from maskcls.core.progress import Progress
from maskcls.evaluation import out_of_fold
from maskcls.pixels.cache import CachedPixels, cache_root, open_cache
from maskcls.pixels.geometry import Geometry
from maskcls.store import record as records
from maskcls.store import run_files
from maskcls.store.lease import Lease
from maskcls.store.paths import Folder
from maskcls.store.tables import read_arrow, read_table, write_table

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What train returns: how it ended, the run's metrics, and where it lies."""

    exit_code: Exit
    metrics: dict[str, Any]
    run: Folder


def train(
    data: str, run: str, config: Config, progress: Progress, command: Sequence[str] = ()
) -> Trained:
    """Train what is left of a run, then collect its folds.

    data, run: local paths or object-store URIs. command: what the user typed, for the record.
    Raises UserError before anything starts for bad input or a run that was started otherwise,
    RunFailed when a fold failed (the others are finished first).
    """
    data_folder, run_folder = Folder.at(data), Folder.at(run)
    config = _with_absolute_weights(config)
    identity.refuse_no_run(run_folder)
    preflight = None if run_folder.exists("network.json") else Preflight(config)
    try:
        cache = cache_root(config.cluster.cache_dir)
        data_set = read_data_set(data_folder, cache)
        folds = assign_folds(data_set.table.people, config.folds.count, config.folds.seed)
        for finding in data_set.table.findings:
            progress.warn(f"{finding.where}: {finding.text}")
        for sentence in small_groups(data_set.table.people, config.folds.count):
            progress.warn(sentence)
        network = preflight.answer() if preflight else run_folder.read_json("network.json")
    finally:
        if preflight:
            preflight.cancel()
    with Lease(run_folder, "train") as lease:
        work = _Work(data_folder, run_folder, config, data_set, cache, progress, lease)
        work.prepare(folds, network)
        entry = records.add_start(work.record, command)
        run_folder.write_json("record.json", work.record)
        exit_code = Exit.FAILURE
        try:
            metrics = work.run()
            faults = metrics["oof"]["faults"] + metrics["eval_faults"]
            exit_code = Exit.DEGRADED if faults else Exit.GOOD
        except KeyboardInterrupt:
            exit_code = Exit.INTERRUPTED
            raise
        except UserError:
            exit_code = Exit.MISTAKE
            raise
        finally:
            records.end_start(entry, exit_code)
            run_folder.write_json("record.json", work.record)
    return Trained(exit_code, metrics, run_folder)


class _Work:
    """One command's work on a run, under its lease."""

    def __init__(
        self,
        data: Folder,
        run: Folder,
        config: Config,
        data_set: DataSet,
        cache: Path,
        progress: Progress,
        lease: Lease,
    ) -> None:
        self.data_folder, self.run_folder, self.config = data, run, config
        self.data_set, self.cache, self.progress, self.lease = data_set, cache, progress, lease
        self.geometry = Geometry(config.image.crop, config.image.size)
        self.place = data_set.train.place(cache, self.geometry)
        eval_photos = data_set.eval_photos
        self.eval_place = eval_photos.place(cache, self.geometry) if eval_photos else None
        self.record: dict[str, Any] = {}
        self.time_s: dict[str, float] = {}

    def prepare(self, folds: "np.ndarray[Any, Any]", network: dict[str, Any]) -> None:
        """Refuse what does not belong to the run; write what it is before anything trains."""
        run, described = self.run_folder, self.data_set.describe(self.data_folder.shown)
        identity.refuse_no_run(run)  # again, now that nobody else works on it
        run.sweep()
        if run.exists("config.json"):
            identity.refuse_other_settings(run, self.config)
        if run.exists("network.json"):
            identity.refuse_other_weights(run, self.config, network)
        found = records.read_record(run)
        if found is not None:
            identity.refuse_other_data(run, found["data"], described)
        self.record = found or records.new_record(described)
        wanted = fold_table(self.data_set.table.people, folds)
        if run.exists("folds.parquet"):
            identity.refuse_other_folds(run, wanted)
        else:
            run.write_json("config.json", to_json(self.config))
            run.write_json("network.json", network)
            write_table(run, "table.parquet", _table_of(self.data_set))
            if self.data_set.table.eval_photos is not None:
                evals = self.data_set.table.eval_photos[["ImageID", "path"]]
                write_table(run, "eval_table.parquet", evals)
            run.write_json("record.json", self.record)
            # Last: a run that has its folds has everything that says what it is.
            write_table(run, "folds.parquet", wanted)

    def run(self) -> dict[str, Any]:
        """Train what is left and collect; the run's metrics."""
        count = self.config.folds.count
        done = [run_files.read_done(self.run_folder, fold) for fold in range(count)]
        if all(d is not None for d in done):
            pixels = open_cache(self.place)
            if self.run_folder.exists("metrics.json"):
                self.progress.say(f"{self.run_folder}: all {count} folds are done already")
                metrics: dict[str, Any] = self.run_folder.read_json("metrics.json")
                return metrics
            eval_pixels = open_cache(self.eval_place) if self.eval_place else None
            if pixels is not None and (eval_pixels is not None or self.eval_place is None):
                return self._collect(pixels, eval_pixels)
        return self._with_ray()

    def _with_ray(self) -> dict[str, Any]:
        from maskcls.cluster.session import ray_session

        started = time.monotonic()
        dashboard = self.config.cluster.dashboard
        with ray_session(self.cache, dashboard, self.progress) as session:
            self.time_s["ray_start"] = time.monotonic() - started
            plan = self._plan(session.machine())
            memory.release()
            started = time.monotonic()
            pixels, eval_pixels = self._pixels()
            self._write_faults(pixels, eval_pixels)
            self.time_s["pixels"] = time.monotonic() - started
            started = time.monotonic()
            self._train(plan, session)
            self.time_s["folds"] = time.monotonic() - started
        return self._collect(pixels, eval_pixels)

    def _plan(self, machine: Machine) -> Plan:
        recorded = self.record.get("plan")
        plan = make_plan(self.config.cluster, self.config.folds.count, machine, recorded)
        self.progress.say(
            f"{plan.reason}: {plan.folds_at_once} of {self.config.folds.count} folds at a time,"
            f" threads per worker {', '.join(map(str, plan.threads))}"
        )
        if recorded is None:
            self.record["plan"] = asdict(plan)
            self.run_folder.write_json("record.json", self.record)
        return plan

    def _pixels(self) -> tuple[CachedPixels, CachedPixels | None]:
        from maskcls.cluster.ingest import ensure_pixels

        train, eval_photos = self.data_set.train, self.data_set.eval_photos
        pixels = ensure_pixels(self.place, train.folder, train.paths, self.progress)
        self._tell_faults(pixels, train.paths, "train/images")
        if eval_photos is None or self.eval_place is None:
            return pixels, None
        folder, paths = eval_photos.folder, eval_photos.paths
        eval_pixels = ensure_pixels(self.eval_place, folder, paths, self.progress)
        rows = self.data_set.table.eval_photos
        self._tell_faults(eval_pixels, paths if rows is None else rows["ImageID"], "eval/images")
        return pixels, eval_pixels

    def _tell_faults(self, pixels: CachedPixels, paths: "pd.Series[str]", where: str) -> None:
        for row, reason in sorted(pixels.faults.items())[:20]:
            self.progress.warn(f"{where}/{paths.iloc[row]}: not used, {reason}")
        if len(pixels.faults) > 20:
            self.progress.warn(f"{where}: {len(pixels.faults) - 20} more cannot be decoded")

    def _write_faults(self, pixels: CachedPixels, eval_pixels: CachedPixels | None) -> None:
        paths, ids = self.data_set.train.paths, self.data_set.table.eval_photos
        train = {paths.iloc[row]: why for row, why in sorted(pixels.faults.items())}
        evals = {}
        if eval_pixels is not None and ids is not None:
            evals = {ids["ImageID"].iloc[r]: why for r, why in sorted(eval_pixels.faults.items())}
        self.run_folder.write_json("faults.json", {"train": train, "eval": evals})

    def _train(self, plan: Plan, session: Any) -> None:
        from maskcls.cluster.folds import train_folds
        from maskcls.training.job import FoldJob

        config = to_json(self.config)
        jobs = [
            FoldJob(
                self.run_folder.location,
                self.data_folder.location,
                fold,
                config,
                self.place,
                self.eval_place,
                plan.device,
                plan.threads[fold],
            )
            for fold in range(self.config.folds.count)
        ]
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
            done = self.config.folds.count - len(failed)
            lines.append(f"{done} folds are done; the same command tries the others.")
            mistakes = all(o.kind == "mistake" for o in failed.values())
            raise (UserError if mistakes else RunFailed)("\n".join(lines))

    def _ray_records(self, session: Any) -> Folder:
        """Where Ray Train keeps what it shows; ours decides, so a local run's is thrown away."""
        if session.temporary is None:
            return self.run_folder.child("ray")
        return Folder.at(session.temporary / "train")

    def _collect(self, pixels: CachedPixels, eval_pixels: CachedPixels | None) -> dict[str, Any]:
        """Write oof.parquet, eval.parquet and, last, metrics.json."""
        del self.data_set  # from here on the files tell; two tables in memory are one too many
        memory.release()
        run, count = self.run_folder, self.config.folds.count
        started = time.monotonic()
        done = [run_files.read_done(run, fold) for fold in range(count)]
        table = read_arrow(run, "table.parquet", ["path", "person", "label"])
        folds = read_table(run, "folds.parquet")
        fold_of = dict(zip(folds["person"], folds["fold"], strict=True))
        logits, _ = out_of_fold.collect_held_out(run, count, table.num_rows)
        oof = out_of_fold.out_of_fold_table(table, fold_of, logits, pixels.faults)
        write_table(run, "oof.parquet", oof)
        labels = table["label"].to_numpy().astype(np.int64)
        del table, oof
        if eval_pixels is not None:
            names = read_arrow(run, "eval_table.parquet")["ImageID"].combine_chunks()
            evals = out_of_fold.eval_table(run, range(count), names, eval_pixels.faults)
            write_table(run, "eval.parquet", evals)
        folds_json = [d for d in done if d is not None]
        metrics = out_of_fold.run_metrics(labels, logits, pixels.faults, folds_json)
        metrics["eval_faults"] = len(eval_pixels.faults) if eval_pixels else 0
        for part in ("start", "build", "train", "evaluate", "predict", "checkpoint"):
            self.time_s[f"fold_{part}_sum"] = sum(d["time_s"][part] for d in folds_json)
        self.time_s["collect"] = time.monotonic() - started
        metrics["time_s"] = {name: round(s, 3) for name, s in self.time_s.items()}
        run.write_json("metrics.json", metrics)
        return metrics


def _with_absolute_weights(config: Config) -> Config:
    """A relative path means the user's working folder, not that of a worker."""
    if config.model.weights in ("hub", "none"):
        return config
    path = Path(config.model.weights).expanduser().absolute()
    return replace(config, model=replace(config.model, weights=str(path)))


def _table_of(data_set: DataSet) -> pa.Table:
    photos = data_set.table.photos
    columns: dict[str, Any] = {"path": pa.array(photos["path"], pa.string())}
    for name in ("person", "shot"):
        # By way of the categories: a Python string for each row would cost more than the table.
        names = pa.array(photos[name].cat.categories, pa.string())
        columns[name] = names.take(pa.array(photos[name].cat.codes.to_numpy()))
    for name in ("mask", "gender", "age", "age_group", "label"):
        columns[name] = photos[name].to_numpy()
    return pa.table(columns)


def _display_name(run: Folder) -> str:
    """The run's name in Ray's records, which become file names: short and plain."""
    name = run.location.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:60]
