"""`maskcls study`: each change alone against a base, on the same folds, with several seeds.

DIR/study.json                      what is compared, and what came of it
DIR/study.html                      the page
DIR/base-s0, DIR/loss.name=focal-s0 a run per change and seed, like one of maskcls train
DIR/task.json network.json folds.parquet    of the base, the same for all runs

study = settings and changes -> prepare -> check each change -> train what is left -> compare
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maskcls.config.layers import preset_names
from maskcls.config.resolve import from_flat
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.core.task import MetricName
from maskcls.runs.prepare import Prepared, prepare
from maskcls.runs.settings import flat_settings_for
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.store.run import Run
from maskcls.tuning.study_page import page
from maskcls.tuning.study_plan import Change, read_changes, run_name, seeds_of
from maskcls.tuning.study_record import STUDY_HTML, STUDY_JSON, StudyRecord, found_or_new
from maskcls.tuning.study_results import Compared, compare_all, require_scores
from maskcls.tuning.study_runs import StudyRun, StudyRuns, look, seconds_left


@dataclass(frozen=True)
class Studied:
    """Exit code; each change against the base, the best first; the runs asked for; the folder.

    left_s: about how long the runs that are not done take [s]; None where that is not known yet.
    """

    exit_code: Exit
    metric: MetricName
    results: list[Compared]
    runs: list[StudyRun]
    left_s: float | None
    folder: Folder


def study(
    data: str, out: str, changes: Iterable[str], progress: Progress, base: str | None = None,
    seeds: int = 3, sets: Iterable[str] = (), command: Sequence[str] = (), task: str | None = None,
    dry_run: bool = False,
) -> Studied:  # fmt: skip
    """Start or resume a study, or add changes and seeds to it.

    data, out: local paths or object-store URIs. changes: see tuning/study_plan.py. base: a preset, or a
    TOML file on top of the task's preset; sets: on top of it, for all runs. dry_run: only check, and say
    what would be trained. task: see prepare.
    Exit.DEGRADED: a change failed, or images could not be decoded. Raises UserError, before anything
    starts, for bad input, a change that does not fit or another study in the folder; RunFailed when
    nothing could be compared.
    """
    flat = flat_settings_for(data, task, *_base(base), sets)
    config = from_flat(flat)
    require_scores(config.folds.scheme)
    own, numbers = read_changes(changes, flat), seeds_of(config, seeds)
    if not own:
        raise UserError("--change: name at least one, such as --change loss.name=focal.")
    prepared = prepare(data, out, config, progress, task, marker=STUDY_JSON)
    content = found_or_new(prepared)
    runs = StudyRuns(prepared, flat, progress, command)
    runs.check(own, numbers[0])
    if dry_run:
        planned = look(runs.root, own, numbers)
        left = seconds_left(planned)
        metric = prepared.task.metric
        return Studied(Exit.GOOD, metric, content.results, planned, left, runs.root)
    with Lease(runs.root, "study", progress.say) as lease:
        return _work(prepared, runs, own, numbers, command, lease)


def _base(base: str | None) -> tuple[str | None, str | None]:
    """The preset or the file that --base names."""
    if base is None or base in preset_names():
        return base, None
    if not base.endswith(".toml"):
        raise UserError(
            f"--base {base}: no such preset, and not a TOML file; there are"
            f" {', '.join(preset_names())}."
        )
    return None, base


def _work(
    prepared: Prepared, runs: StudyRuns, changes: Sequence[Change], seeds: Sequence[int],
    command: Sequence[str], lease: Lease,
) -> Studied:  # fmt: skip
    record, task = StudyRecord(prepared, changes, seeds, command), prepared.task
    content = record.content

    def compare() -> None:
        content.results = compare_all(
            runs.root, task, content.changes, content.seeds, content.failed
        )
        record.write()
        runs.root.write_bytes(STUDY_HTML, page(content).encode())

    with record.ending(lambda: not lease.lost) as end:
        # After each seed, so that a study that is cut short has results of what is there.
        for _ in runs.train(changes, seeds, content.failed, lease):
            compare()
        end.exit_code = _exit_code(runs.root, content.results, changes, seeds, content.failed)
    planned = look(runs.root, changes, seeds)
    left = seconds_left(planned)
    return Studied(end.exit_code, task.metric, content.results, planned, left, runs.root)


def _exit_code(
    root: Folder, results: Sequence[Compared], changes: Sequence[Change], seeds: Sequence[int],
    failed: dict[str, str],
) -> Exit:  # fmt: skip
    if not any(one.seeds and one.base_seeds for one in results):
        why = next(iter(failed.values()), "no run of the base and of a change is finished")
        raise RunFailed(f"{root}: nothing can be compared: {why}")
    names = [run_name(change, seed) for change in (None, *changes) for seed in seeds]
    done = [m for name in names if (m := Run(root.child(name)).metrics()) is not None]
    lacks = len(done) < len(names) or any(m.train_faults + m.eval_faults for m in done)
    return Exit.DEGRADED if lacks else Exit.GOOD
