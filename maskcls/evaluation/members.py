"""The members of an ensemble: the finished folds of some runs, and their eval logits, part by part."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.task import differences
from maskcls.evaluation.fold_logits import FoldLogits, has_logits
from maskcls.store.record import Described
from maskcls.store.results import FoldResult
from maskcls.store.run import EVAL_LOGITS, EVAL_TABLE, Run
from maskcls.store.tables import read_arrow, read_parts

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoldAbout:
    """A fold's entry in the provenance."""

    fold: int
    checkpoint: str
    model_sha256: str
    best_epoch: int
    score: float | None


@dataclass(frozen=True)
class RunAbout:
    """A run's entry in the provenance."""

    run: str
    config_sha256: str
    data: Described | None
    git_commit: str | None
    folds: list[FoldAbout]
    missing_folds: list[int]

    @property
    def eval_fingerprint(self) -> str | int | None:
        """Of the eval images' content and names."""
        return (self.data or {}).get("eval_fingerprint")


@dataclass(frozen=True)
class Member:
    """A run whose folds are members; faults: eval images not decoded; about: for the provenance."""

    run: Run
    folds: list[int]
    faults: dict[str, str]
    about: RunAbout

    def labels(self) -> list[str]:
        """Names of its folds."""
        placed = [divmod(fold, self.run.config.folds.per_repeat) for fold in self.folds]
        return [f"{self.run} fold {f}" + (f" repeat {r}" if r else "") for r, f in placed]


@dataclass(frozen=True)
class EvalPart:
    """Some eval images: their names, groups (None unless asked for), and logits [M, n, K]."""

    images: list[str]
    groups: list[str] | None
    logits: Float32


def read_members(runs: Sequence[Run], allow_missing: bool) -> list[Member]:
    """The runs' finished folds.

    Raises UserError for a run that cannot be combined: without eval images, with a leaky split, with
    missing folds unless allowed, of another task or other eval images than the first, or given twice.
    """
    members = [_read_member(run, allow_missing) for run in runs]
    for member in members:
        _refuse_other_task(member, members[0])
    _refuse_doubles(members)
    return members


def fold_weights(
    members: Sequence[Member], weights: Sequence[float] | None
) -> npt.NDArray[np.float64] | None:
    """Weight of each fold of each run, in the order of the members; weights: of the runs."""
    if weights is None:
        return None
    if len(weights) != len(members) or any(not 0 < w < float("inf") for w in weights):
        raise UserError(
            f"--weights: {len(members)} runs need as many numbers above 0, such as"
            f" {':'.join(['1'] * len(members))}."
        )
    folds = [len(m.folds) for m in members]
    # Divided by the folds, or a run of ten folds would count twice as much as one of five.
    shares = [[w / n] * n for w, n in zip(weights, folds, strict=True)]
    return np.array([share for run in shares for share in run])


def eval_parts(members: Sequence[Member], with_groups: bool = False) -> Iterator[EvalPart]:
    """The eval images with the logits of all folds of all runs, part by part.

    Raises UserError when a run was made for other images, or the first names no groups and they are
    wanted; RuntimeError when a fold left an image out.
    """
    first = members[0].run
    names = [read_parts(m.run.folder, EVAL_TABLE, ["image"]) for m in members]
    groups = _groups(first) if with_groups else itertools.repeat(None)
    num_classes = first.task.num_classes
    folds = [(m, FoldLogits(m.run.fold(fold), EVAL_LOGITS)) for m in members for fold in m.folds]
    start = 0
    # zip_longest, so that a run with fewer images is refused and not cut to the shortest.
    for parts in itertools.zip_longest(*names):
        for member, part in zip(members, parts, strict=True):
            if part is None or not part.equals(parts[0]):
                raise _other_images(member, members[0])
        images: list[str] = parts[0]["image"].to_pylist()
        logits = np.full((len(folds), len(images), num_classes), np.nan, np.float32)
        for values, (member, fold) in zip(logits, folds, strict=True):
            fold.fill(values, start)
            # A row without logits must be a fault that the run has recorded; any other gap is a bug, and
            # would be averaged over fewer folds without a message.
            lost = [images[row] for row in np.flatnonzero(~has_logits(values)).tolist()]
            if not member.faults.keys() >= set(lost):
                raise RuntimeError(f"{member.run}: a fold lacks logits of {len(lost)} images")
        yield EvalPart(images, next(groups), logits)
        start += len(images)


def _groups(run: Run) -> Iterator[list[str]]:
    # The schema alone tells, before anything is read.
    if "group" not in next(read_parts(run.folder, EVAL_TABLE)).column_names:
        raise UserError(
            f"{run}: --by-group, and its eval images have no groups; name them in task.toml, such as"
            ' [eval] group = "patient_id", and train with another --run'
        )
    for part in read_parts(run.folder, EVAL_TABLE, ["group"]):
        yield part["group"].to_pylist()


def _read_member(run: Run, allow_missing: bool) -> Member:
    if not run.has_eval:
        raise UserError(f"{run}: this run was made without eval images, so it cannot be combined.")
    if run.config.folds.scheme == "image":
        raise UserError(
            f"{run}: trained with folds.scheme=image, which only serves to show the effect of its leak;"
            " train with folds of whole groups for a submission."
        )
    count = run.config.folds.total
    done = [result for fold in run.folds() if (result := fold.result()) is not None]
    missing = sorted(set(range(count)) - {result.fold for result in done})
    if missing and (not allow_missing or not done):
        raise UserError(
            f"{run}: fold {', '.join(map(str, missing))} of {count} is not done; train it with the"
            " same maskcls train command"
            + (", or use --allow-missing-folds." if done else ": there is nothing to average yet.")
        )
    return member_of(run, done, run.faults().eval, missing)


def member_of(
    run: Run, done: Sequence[FoldResult], faults: dict[str, str], missing: Sequence[int] = ()
) -> Member:
    """A run with the results of the folds that are its members, and the numbers of those that are not
    done; nothing is refused. faults: see Member."""
    record = run.record()
    about = RunAbout(
        run=str(run),
        config_sha256=hashlib.sha256(run.config_bytes()).hexdigest(),
        data=record.data if record else None,
        git_commit=record.git_commit if record else None,
        folds=[
            FoldAbout(r.fold, r.checkpoint, r.model_sha256, r.best_epoch, r.score) for r in done
        ],
        missing_folds=list(missing),
    )
    return Member(run, [result.fold for result in done], faults, about)


def _refuse_other_task(member: Member, first: Member) -> None:
    # The parts alone: logits of runs that were ranked by other metrics mean the same.
    if member.run.task.parts != first.run.task.parts:
        parts = [d for d in differences(first.run.task, member.run.task) if d.startswith("parts:")]
        there, here = (", ".join(m.run.task.classes[:4]) for m in (first, member))
        what = f"its classes are {here}, ..., not {there}, ..." if there != here else parts[0]
        raise UserError(
            f"{member.run}: another task than that of {first.run} ({what}); only runs of one task can"
            " be averaged."
        )


def _other_images(member: Member, first: Member) -> UserError:
    # Read whole only here, for the message: comparing goes part by part.
    ids, others = (
        set(read_arrow(m.run.folder, EVAL_TABLE, ["image"])["image"].to_pylist())
        for m in (first, member)
    )
    odd = sorted(ids ^ others)
    what = f"{len(odd)} differ, such as {odd[0]}" if odd else "they are in another order"
    return UserError(
        f"{member.run}: its eval images are not those of the first run ({what}); only runs on the"
        " same eval images can be averaged."
    )


def _refuse_doubles(members: Sequence[Member]) -> None:
    seen: dict[str, str] = {}
    # Fingerprints are compared, since two data sets may name their eval images alike.
    for number, member in enumerate(members):
        if member.about.eval_fingerprint != members[0].about.eval_fingerprint:
            raise UserError(
                f"{member.run}: made for other eval images than {members[0].run}, though they have"
                " the same names; only runs on the same eval images can be averaged."
            )
        for fold in member.about.folds:
            here = f"{member.run} (run {number + 1}) fold {fold.fold}"
            # By the weights' digest, so that a copied run folder is noticed, too.
            there = seen.setdefault(fold.model_sha256, here)
            if there != here:
                raise UserError(f"{here}: the same network as {there}; it would count double.")
