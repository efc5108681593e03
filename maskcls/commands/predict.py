"""`maskcls predict`: predict the images of a folder or a CSV with a finished run."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.config.schema import Cluster
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.names import without_credentials
from maskcls.core.plain import to_plain
from maskcls.core.progress import Progress
from maskcls.core.task import Task
from maskcls.data.answers import class_texts, prediction_header
from maskcls.data.new_images import find_images
from maskcls.evaluation.by_group import GroupCodes, GroupMeans
from maskcls.evaluation.class_shares import class_shares
from maskcls.evaluation.decided import Asked, Decided, Eval, EvalSample, require_fitting
from maskcls.evaluation.decided import decide as fit
from maskcls.evaluation.ensembling import softmax
from maskcls.evaluation.eval_sample import chosen_rows
from maskcls.evaluation.members import member_of
from maskcls.evaluation.pooled import Combining
from maskcls.evaluation.sources import BY_GROUP, sources_of
from maskcls.pixels.geometry import Geometry
from maskcls.runs.dataset import images_of
from maskcls.statistics.choice import Decide
from maskcls.statistics.decision import DECIDED
from maskcls.store import manifest
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile
from maskcls.store.places import cache_root
from maskcls.store.provenance import write_beside
from maskcls.store.results import FoldResult
from maskcls.store.run import Run

Weights = npt.NDArray[np.float64] | float


@dataclass(frozen=True)
class PredictResult:
    """Exit code, location of the predictions, number of images, why some lack answers, provenance."""

    exit_code: Exit
    out: str
    images: int
    faults: dict[str, str]
    provenance: dict[str, Any]

    @property
    def decided(self) -> dict[str, Any]:
        """Task, decision, prior and forecast, from the provenance."""
        names = ("task", "decision", "prior", "forecast")
        return {name: self.provenance[name] for name in names}


def predict(
    run: str,
    images: str,
    out: str,
    progress: Progress,
    cluster: Cluster | None = None,
    by_group: bool = False,
    decide: Decide = "auto",
    prior: str = "none",
) -> PredictResult:
    """Write a row per image: its path, the answer, and the probabilities of the folds' averaged logits;
    and OUT.provenance.json next to it.

    images: a folder, or a CSV file with a column path (or image, ImageID, file_name, or what the task's
    answers call it) relative to the CSV's folder. cluster: placement of the work here; the run may have
    been trained on another machine. by_group: a row per group, of its images' averaged logits; the group
    is named by the training data's column if the CSV has it, else by a column group; without either by
    the path as in training (stem, path:REGEX), else by its first folder. decide, prior: as in ensemble;
    class weights change the answer alone, a prior also the probabilities.
    The columns are data/answers.py's. An image that cannot be decoded has a row with empty columns.
    Raises UserError when the run is not finished or a checkpoint is damaged, or when another machine
    of a cluster may predict and does not reach RUN and IMAGES.
    """
    from maskcls.cluster.ingest import ensure_pixels
    from maskcls.cluster.nodes import require_shared
    from maskcls.cluster.session import ray_session
    from maskcls.cluster.tasks import Source, plan_predicting, predict_folds
    from maskcls.training.job import PredictJob

    trained = Run.open(Folder.at(run))
    results, geometry = _checkpoints_of(trained)
    asked = Asked(decide, prior)
    require_fitting(asked, "logits", trained.task, trained.task.metric not in DECIDED)
    # First: a location that cannot be written is refused before the work.
    output = OutputFile.at(out)
    placing = cluster or Cluster()
    task = trained.task
    column, group = task.answers.columns[0], task.group if by_group else None
    new = find_images(images, progress, column, group)
    rows, cache = new.rows, cache_root(placing.cache_dir)
    listed = images_of(new.folder, rows, cache)
    place = listed.place(cache, geometry)
    source = Source(new.folder.location, listed.paths, new.probe, placing.cache_dir)
    with ray_session(cache, placing.dashboard, progress) as session:
        home, machine = session.own_node(), session.machine(placing.resources_per_worker)
        plan = plan_predicting(placing, [result.threads for result in results], machine)
        if home is not None:  # a cluster: tasks may run on other nodes
            files = [(trained.folder, trained.probe_file), (new.folder, source.probe)]
            require_shared(plan, home, files, progress, "RUN and IMAGES")
        pixels = ensure_pixels(place, listed.folder, listed.paths, progress, home)
        jobs = [
            PredictJob(
                trained.fold(result.fold).checkpoints.location,
                result.checkpoint,
                place,
                plan.device,
                result.threads,
            )
            for result in results
        ]
        found = predict_folds(jobs, plan, home, source, progress, placing.stall_s)
    logits = np.full((len(found), len(rows), task.num_classes), np.nan, np.float32)
    expected = np.setdiff1d(np.arange(len(rows)), list(pixels.faults))
    for member, (at, values) in enumerate(found):
        # Otherwise such an image would be averaged over fewer folds, without a message.
        if not np.array_equal(at, expected):
            raise RunFailed(
                f"{new.folder}: {len(at):,} images were decoded for fold {member} and"
                f" {len(expected):,} here, so some changed meanwhile; decode them again on each machine,"
                " with another --set cluster.cache_dir=FOLDER."
            )
        logits[member, at] = values
    faults = {rows["path"].iloc[row]: reason for row, reason in sorted(pixels.faults.items())}
    decided = _decided(trained, [result.fold for result in results], asked, rows, logits)
    output.write(_csv(task, rows, decided.combine(logits), decided.decision.log_weights))
    settings = {
        "images": without_credentials(images), "by_group": by_group, "decide": decide,
        "prior": without_credentials(prior), "cluster": to_plain(placing),
    }  # fmt: skip
    provenance = _provenance(trained, results, decided, rows, faults) | {"settings": settings}
    if new.groups_from:
        provenance["groups_from"] = new.groups_from
    write_beside(output, provenance)
    # Only the first, as the CSV shows the others by their empty columns.
    for path, reason in list(faults.items())[:20]:
        progress.warn(f"{path}: no answer, {reason}")
    code = Exit.DEGRADED if faults else Exit.GOOD
    return PredictResult(code, out, len(rows), faults, provenance)


def _provenance(
    run: Run, results: Sequence[FoldResult], decided: Decided, rows: pd.DataFrame,
    faults: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    by_group = "group" in rows
    number = rows["group"].nunique() if by_group else len(rows)
    columns = ["group" if by_group else "path", *prediction_header(run.task)]
    found = sources_of(
        [member_of(run, results, faults)], decided, columns, "class, probabilities",
        "the largest wins", number,
    )  # fmt: skip
    found["faults"] = faults
    return found | {"by_group": BY_GROUP} if by_group else found


def _decided(
    run: Run, folds: list[int], asked: Asked, rows: pd.DataFrame, logits: npt.NDArray[np.float32]
) -> Decided:
    how, of_probabilities = (
        Combining("logits", by_group="group" in rows),
        run.task.metric not in DECIDED,
    )
    images = _eval_of(rows, logits)
    return fit([(run, folds)], how, asked, None, images, class_shares(run), of_probabilities)


def _eval_of(rows: pd.DataFrame, logits: npt.NDArray[np.float32]) -> Eval:
    """rows: with a column group for answers by group. logits: [F, N, K]."""
    chosen = chosen_rows(len(rows), len(logits), logits.shape[2])
    if "group" not in rows:
        return Eval(len(rows), lambda: EvalSample(logits[:, chosen], None))
    names = rows["group"].to_numpy()
    count = len(np.unique(names))
    codes = GroupCodes().of(names[chosen].tolist())
    return Eval(count, lambda: EvalSample(logits[:, chosen], codes), count)


def _checkpoints_of(run: Run) -> tuple[list[FoldResult], Geometry]:
    """Every fold's result, and the geometry that all of them were trained with."""
    found, geometries = [], []
    count = run.config.folds.total
    for fold in run.folds():
        result = fold.result()
        if result is None:
            raise UserError(
                f"{run}: fold {fold.number} of {count} is not done; finish the run with the same"
                " maskcls train command."
            )
        folder, name = fold.checkpoints, result.checkpoint
        # Checked here, before anything is decoded: a task would find the damage much later.
        if reason := manifest.why_invalid(folder, name):
            raise UserError(f"{folder}/{name}: damaged ({reason}); copy it again.")
        state = folder.read_json(f"{name}/state.json")
        try:
            geometries.append(Geometry.from_json(state["geometry"]))
        except ValueError as e:
            raise UserError(
                f"{run}: trained with another version's pixels ({e}); use that version."
            ) from e
        found.append(result)
    if len(set(geometries)) != 1:
        raise UserError(f"{run}: its folds were trained at different image sizes or crops.")
    return found, geometries[0]


def _csv(
    task: Task, rows: pd.DataFrame, mean: npt.NDArray[np.float64], log_weights: Weights = 0.0
) -> bytes:
    """The file.

    rows: with a column group for answers by group. mean: logits of each image [N, K]. log_weights: [K],
    added to decide the answer.
    """
    first, names = "path", rows["name" if "name" in rows else "path"].tolist()
    if "group" in rows:
        first = "group"
        codes, groups = GroupCodes(), GroupMeans(0, mean.shape[1])
        groups.add(codes.of(rows["group"].tolist()), mean)
        names, mean = codes.names, groups.means(len(codes.names))
    return _rows(first, names, task, mean, log_weights)


def _rows(
    first: str, names: Sequence[str], task: Task, mean: npt.NDArray[np.float64], weights: Weights
) -> bytes:
    probs, answers = softmax(mean), np.nan_to_num(mean + weights).argmax(axis=1)
    texts = class_texts(task)
    # The numbers of the mask task's files are read by others; elsewhere, near 1, six digits are too few.
    digits = 6 if task.answers.values == "class" else 9
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    header = prediction_header(task)
    rows.writerow([first, *header])
    for name, answer, row in zip(names, answers.tolist(), probs, strict=True):
        # NaN: no fold has logits of this image, as it cannot be decoded.
        if np.isfinite(row).all():
            rows.writerow([name, texts[answer], *(f"{p:.{digits}g}" for p in row)])
        else:
            rows.writerow([name, *[""] * len(header)])
    return text.getvalue().encode()
