"""The steps of the main job, from a prepared run to its scores:

    prepare -> begin -> place -> decode -> train_folds -> collect

Plain functions on one context, RunContext, that train, tune and lr-find share; commands/train.py has
the whole sequence. Ray is imported only where it is needed: for a run that is done, none is started.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskcls.cluster.plan import Plan, Recorded, make_plan
from maskcls.config.schema import Config
from maskcls.core import system
from maskcls.core.errors import FoldsFailed, UserError
from maskcls.core.plain import from_plain
from maskcls.core.progress import Progress
from maskcls.core.tally import Tally
from maskcls.core.task import Task
from maskcls.evaluation import out_of_fold
from maskcls.evaluation.group_scores import GroupScores
from maskcls.evaluation.judged import with_judgement
from maskcls.folds.remarks import NO_GROUPS
from maskcls.folds.splits import IMAGE_STAMP
from maskcls.pixels.cache import CachedPixels
from maskcls.runs.pixels import RunPixels
from maskcls.runs.prepare import Prepared, write_first_files
from maskcls.store import manifest
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.results import Metrics
from maskcls.store.run import Fold, Run

if TYPE_CHECKING:
    from maskcls.cluster.fold_queue import MakeFit
    from maskcls.cluster.session import Session
    from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)
_TIMES = ("start", "build", "train", "evaluate", "predict", "checkpoint")


@dataclass
class RunContext:
    """The state that the steps of a command share; the lease of the run is held.

    check_lease: raises RunFailed when another command has taken the run over. images: released before
    the run is collected, with the tables that it holds. time_s: time of each step [s].
    """

    data: Folder
    run: Run
    config: Config
    task: Task
    cache: Path
    record: Record
    images: RunPixels | None
    progress: Progress
    check_lease: Callable[[], None]
    time_s: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> RunPixels:
        """The run's images; not available after `collect` has released them."""
        assert self.images is not None
        return self.images


def begin(prepared: Prepared, progress: Progress, check_lease: Callable[[], None]) -> RunContext:
    """Write the run's first files, or refuse what does not belong to it; see write_first_files."""
    record = write_first_files(prepared)
    config, cache = prepared.config, prepared.cache
    images = RunPixels(
        prepared.data_set, prepared.inputs.extra_images, config.image, cache, progress
    )
    return RunContext(
        prepared.data,
        prepared.run,
        config,
        prepared.task,
        cache,
        record,
        images,
        progress,
        check_lease,
    )


def finish_without_ray(context: RunContext) -> Metrics | None:
    """The metrics of a run whose folds are all done; None if something must be trained or decoded.

    Starting Ray takes seconds, which a repeated command should not cost.
    """
    folds = context.run.folds()
    # _without_logits also refuses, before Ray starts, what no checkpoint can restore.
    if not all(fold.is_done for fold in folds) or _without_logits(context):
        return None
    if context.run.is_collected:
        context.progress.say(f"{context.run}: all {len(folds)} folds are already done")
        return context.run.metrics()
    # The folds are done but not collected, as after a kill between the two. Collecting reads the faults
    # from the pixel cache; if that was deleted, decoding again needs Ray.
    there = context.pixels.there()
    return None if there is None else collect(context, *there)


def note_dashboard(context: RunContext, address: str | None) -> None:
    """Record the dashboard's address, where `maskcls status` asks about the workers."""
    if address and (start := context.record.last_start) is not None:
        start.dashboard = address
        context.run.write_record(context.record)


def place(
    context: RunContext, session: "Session", threads: Mapping[int, int] | None = None
) -> Plan:
    """The plan of the folds, as at the run's first start; recorded. Checks that storage is shared.

    threads: of folds that a search places, used at the run's first start. Raises UserError for what the
    machines do not offer, or when DATA, RUN or rows.extra is not on storage that all machines reach.
    """
    settings, record = context.config, context.record
    recorded = None if record.plan is None else from_plain(Recorded, record.plan)
    total = settings.folds.total
    machine = session.machine(settings.cluster.resources_per_worker)
    plan = make_plan(settings.cluster, total, machine, recorded)
    # A search runs many first folds at once, with fewer threads than the run alone would give them.
    if recorded is None and threads:
        own = tuple(threads.get(fold, n) for fold, n in enumerate(plan.threads))
        plan = replace(plan, threads=own)
    context.progress.say(
        f"{plan.reason}: {plan.folds_at_once} of {total} folds at a time,"
        f" threads per worker {', '.join(map(str, plan.threads))}"
    )
    # Recorded before any fold starts: a resumed run keeps the threads, which affect the last bits.
    if recorded is None:
        record.plan = asdict(plan)
        context.run.write_record(record)
    _require_shared(context, plan, session.own_node())
    return plan


def _require_shared(context: RunContext, plan: Plan, own_node: str | None) -> None:
    if own_node is None:  # a local Ray has no other node
        return
    from maskcls.cluster.nodes import require_shared

    files = [
        (context.run.folder, context.run.probe_file),
        (context.data, context.task.places.probe),
    ]
    if (extra := context.pixels.extra_places) is not None:
        files.append((Folder.at(context.config.rows.extra), extra.probe))
    require_shared(plan, own_node, files, context.progress, "DATA, RUN and rows.extra")


def decode(context: RunContext, node: str | None) -> tuple[CachedPixels, CachedPixels | None]:
    """The decoded images, for training and of eval, decoded where they are missing; writes faults.json.

    node: Ray's id of the node that should decode; None for the only one.
    """
    started = time.monotonic()
    # Before the tasks start, which need memory for the images that they decode.
    system.release_memory()
    found = context.pixels.ensure(node)
    context.run.write_faults(context.pixels.faults(*found))
    context.time_s["pixels"] = time.monotonic() - started
    return found


def jobs(context: RunContext, plan: Plan, home: str | None) -> "list[FoldJob]":
    """The job of each fold's worker; home: see FoldJob."""
    from maskcls.training.job import FoldJob

    images = context.pixels
    return [
        FoldJob(
            run=context.run.folder.location,
            data=context.data.location,
            fold=fold,
            config=context.config,
            task=context.task,
            pixels=images.place,
            eval_pixels=images.eval_place,
            device=plan.device,
            threads=plan.threads[fold],
            extra_pixels=images.extra_place,
            extra_places=images.extra_places,
            home=home,
        )
        for fold in range(context.config.folds.total)
    ]


def train_folds(
    context: RunContext, plan: Plan, session: "Session", make_fit: "MakeFit | None" = None
) -> None:
    """Train the folds that are not done; when one fails, the others are finished first.

    make_fit: makes the attempts at folds; None: a Ray Train run for each. Raises UserError when only bad
    input, storage or the hub made folds fail, else FoldsFailed.
    """
    from maskcls.cluster.fold_queue import FoldQueue, QueueSettings

    # Without its result the fold resumes from its last checkpoint, finds no epoch left and predicts.
    for stripped in _without_logits(context):
        context.progress.warn(f"{stripped.folder}: its logits are gone and are written again")
        stripped.forget_result()
    started, cluster = time.monotonic(), context.config.cluster
    # After the checks above: from here on folds write into the run.
    settings = QueueSettings(
        run_name=_display_name(context.run.folder),
        storage=_ray_records(context, session),
        is_local=session.is_local,
        retries=cluster.retries,
        stall_s=cluster.stall_s,
    )
    queue = FoldQueue(
        jobs(context, plan, session.own_node()), plan, settings, context.progress,
        context.check_lease, make_fit,
    )  # fmt: skip
    outcomes = queue.run()
    context.time_s["folds"] = time.monotonic() - started
    failed = {fold: o for fold, o in sorted(outcomes.items()) if o.kind != "done"}
    if not failed:
        return
    for fold, outcome in failed.items():
        _log.error("fold=%s %s", fold, outcome.detail)
    # Short in the message, the traceback in the log only.
    lines = [f"fold {fold} failed: {o.text}" for fold, o in failed.items()]
    done = len(outcomes) - len(failed)
    lines.append(f"{done} folds are done; the same command tries the others again.")
    # Exit code 2 only if all failures are of that kind; see Outcome.by_input.
    if all(o.by_input for o in failed.values()):
        raise UserError("\n".join(lines))
    # A search counts an error in training against the trial's settings, other failures not.
    by_training = any(o.kind == "error" for o in failed.values())
    raise FoldsFailed("\n".join(lines), by_training)


def _ray_records(context: RunContext, session: "Session") -> Folder:
    """Where Ray Train keeps its records; they are not used, so those of a local Ray are temporary."""
    if session.temporary is None:
        return context.run.ray_records
    return Folder.at(session.temporary / "train")


def collect(context: RunContext, pixels: CachedPixels, eval_pixels: CachedPixels | None) -> Metrics:
    """Write oof.parquet, eval.parquet and, last, metrics.json, by which a run is known to be done."""
    # Collecting rereads the tables from disk part by part; the copy in memory is released first.
    context.images = None
    system.release_memory()
    run, settings, started = context.run, context.config.folds, time.monotonic()
    # From the files and not from the workers' outcomes: an earlier start may have trained some folds.
    results = [result for fold in run.folds() if (result := fold.result()) is not None]
    groups = GroupScores.of(run)
    scored = out_of_fold.write_out_of_fold(run, results, pixels.faults, groups)
    if eval_pixels is not None:
        out_of_fold.write_eval(run, eval_pixels.faults)
    metrics = out_of_fold.run_metrics(
        scored, results, settings.per_repeat, groups.score() if groups else None
    )
    if metrics.oof is not None:
        whole = Tally.together(context.task, (one.tally for one in scored))
        metrics = replace(metrics, oof=with_judgement(run, results, metrics.oof, whole))
    no_face_found = None
    if pixels.fallbacks or (eval_pixels and eval_pixels.fallbacks):
        in_eval = len(eval_pixels.fallbacks) if eval_pixels else 0
        no_face_found = {"train": len(pixels.fallbacks), "eval": in_eval}
    faults = run.faults()
    # Sums over the folds, which run at the same time: they may exceed the time of the command.
    for part in _TIMES:
        context.time_s[f"fold_{part}_sum"] = sum(r.time_s[part] for r in results)
    context.time_s["collect"] = time.monotonic() - started
    metrics = replace(
        metrics,
        warning=IMAGE_STAMP if settings.scheme == "image" and context.task.has_groups else None,
        no_groups=None if context.task.has_groups or not metrics.oof else NO_GROUPS,
        no_face_found=no_face_found,
        train_faults=len(faults.train) + len(faults.extra),
        eval_faults=len(faults.eval),
        time_s={name: round(s, 3) for name, s in context.time_s.items()},
    )
    run.write_metrics(metrics)
    return metrics


def _without_logits(context: RunContext) -> list[Fold]:
    """Finished folds whose logits were deleted; UserError if no valid checkpoint can restore them."""
    found = []
    for fold in context.run.folds():
        result = fold.result()
        if result is None or fold.has_logits(result, context.pixels.eval_place is not None):
            continue
        # Both are needed: the fold resumes from the last one and predicts with the best one. Without
        # this check it would be trained again from its start, and its results replaced.
        for name in (f"epoch-{result.epochs:04d}", result.checkpoint):
            if why := manifest.why_invalid(fold.checkpoints, name):
                raise UserError(
                    f"{fold.folder}: its logits are gone, and checkpoint {name}, which could restore"
                    f" them, is not valid ({why}); put one of them back, or delete {fold.folder} to"
                    " train this fold again."
                )
        found.append(fold)
    return found


def _display_name(run: Folder) -> str:
    """The run's name in Ray's records, where it becomes a file name: short, letters and digits only."""
    name = run.shown.rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:60]
