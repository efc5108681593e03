"""`maskcls ensemble`: combine the eval logits of all folds of all runs into a submission."""

import csv
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import Exit, UserError
from maskcls.core.labels import NUM_CLASSES, class_name
from maskcls.core.progress import Progress
from maskcls.evaluation import ensembling
from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.fold_logits import FoldLogits, has_logits
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile
from maskcls.store.record import Described, now, versions
from maskcls.store.run import EVAL_LOGITS, EVAL_TABLE, TABLE, Run
from maskcls.store.tables import read_arrow, read_parts

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ensembled:
    """Exit code, location of the submission, and its provenance."""

    exit_code: Exit
    out: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _Member:
    """A run whose folds are members; about: its entry in the provenance."""

    run: Run
    folds: list[int]
    faults: dict[str, str]
    about: "_About"

    def labels(self) -> list[str]:
        """Names of its folds."""
        placed = [divmod(fold, self.run.config.folds.per_repeat) for fold in self.folds]
        return [f"{self.run} fold {f}" + (f" repeat {r}" if r else "") for r, f in placed]


@dataclass(frozen=True)
class _FoldAbout:
    """A fold's entry in the provenance."""

    fold: int
    checkpoint: str
    model_sha256: str
    best_epoch: int
    macro_f1: float | None


@dataclass(frozen=True)
class _About:
    """A run's entry in the provenance."""

    run: str
    config_sha256: str
    data: Described | None
    git_commit: str | None
    folds: list[_FoldAbout]
    missing_folds: list[int]

    @property
    def eval_fingerprint(self) -> str | int | None:
        """Of the eval images' content and names."""
        return (self.data or {}).get("eval_fingerprint")


def ensemble(
    runs: Sequence[str],
    out: str,
    progress: Progress,
    allow_missing_folds: bool = False,
    rule: Rule = "logits",
    weights: Sequence[float] | None = None,
) -> Ensembled:
    """Combine folds and runs; write the submission and OUT.provenance.json next to it.

    runs: locations of run folders, any backbones and heads, the same eval images. rule: how members are
    combined. weights: of each run, divided equally among its folds; None gives each fold of each run the
    same weight. The submission has all rows of info.csv in its order; an image that no member could
    decode gets the most frequent class of the training images. Raises UserError when a fold is missing
    and that is not allowed.
    """
    output = OutputFile.at(
        out
    )  # first: a location that cannot be written is refused before the work
    members = [_read_member(Run.open(Folder.at(run)), allow_missing_folds) for run in runs]
    _refuse_doubles(members)
    first = members[0]
    fallback = _most_frequent_class(first.run)
    # The fallback is of the first run: all runs have the same eval images, but perhaps other tables.
    weight, lost_ids, images = _weights(members, weights), list[str](), 0

    def fill(path: Path) -> None:
        # Part by part: with millions of images, names and logits of all folds do not fit into memory.
        nonlocal images
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["ImageID", "ans"])
            for image_ids, logits in _parts(members):
                scores = ensembling.combine(logits, rule, weight)
                lost = np.asarray(np.isnan(scores).all(axis=1))  # log-probabilities may be -inf
                answers = np.where(lost, fallback, np.nan_to_num(scores).argmax(axis=1))
                rows.writerows(zip(image_ids, answers.tolist(), strict=True))
                lost_ids.extend(image_ids[row] for row in np.flatnonzero(lost).tolist())
                images += len(image_ids)

    output.fill(fill)
    provenance = {
        "created": now(),
        "versions": versions(),
        "rule": f"{ensembling.RULES[rule]}; the largest wins",
        "weights": None if weights is None else list(weights),
        "members": [label for member in members for label in member.labels()],
        "runs": [asdict(m.about) for m in members],
        "images": images,
        "fallback": {
            "class": fallback,
            "name": class_name(fallback),
            "images": {image: first.faults.get(image, "no logits") for image in lost_ids},
        },
    }
    # After the submission, so that a provenance never describes a file that is not there.
    if not output.is_stream:  # there is no place next to stdout
        output.folder.write_json(f"{output.name}.provenance.json", provenance)
    # Only the first: all of them are in the provenance.
    for image in lost_ids[:20]:
        reason = first.faults.get(image, "no logits")
        progress.warn(f"{image}: {reason}; answered with class {fallback} ({class_name(fallback)})")
    missing = any(m.about.missing_folds for m in members)
    code = Exit.DEGRADED if lost_ids or missing else Exit.GOOD
    return Ensembled(code, out, provenance)


def _weights(
    members: Sequence[_Member], weights: Sequence[float] | None
) -> npt.NDArray[np.float64] | None:
    """Weight of each fold of each run, in the order of the members."""
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


def _read_member(run: Run, allow_missing: bool) -> _Member:
    if not run.has_eval:
        raise UserError(f"{run}: this run was made without eval images, so it cannot be combined.")
    if run.config.folds.scheme == "image":
        raise UserError(
            f"{run}: trained with folds.scheme=image, which only serves to show the effect of its leak;"
            " train with folds of people for a submission."
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
    record = run.record()
    about = _About(
        run=str(run),
        config_sha256=hashlib.sha256(run.config_bytes()).hexdigest(),
        data=record.data if record else None,
        git_commit=record.git_commit if record else None,
        folds=[
            _FoldAbout(r.fold, r.checkpoint, r.model_sha256, r.best_epoch, r.macro_f1) for r in done
        ],
        missing_folds=missing,
    )
    return _Member(run, [result.fold for result in done], run.faults().eval, about)


def _parts(members: Sequence[_Member]) -> Iterator[tuple[list[str], Float32]]:
    """Names of some eval images and their logits [M, n, 18] of all folds of all runs, part by part.

    Raises UserError when a run was made for other images, RuntimeError when a fold left one out.
    """
    names = [read_parts(m.run.folder, EVAL_TABLE, ["ImageID"]) for m in members]
    folds = [(m, FoldLogits(m.run.fold(fold), EVAL_LOGITS)) for m in members for fold in m.folds]
    start = 0
    # zip_longest, so that a run with fewer images is refused and not cut to the shortest.
    for parts in itertools.zip_longest(*names):
        for member, part in zip(members, parts, strict=True):
            if part is None or not part.equals(parts[0]):
                raise _other_images(member, members[0])
        image_ids: list[str] = parts[0]["ImageID"].to_pylist()
        logits = np.full((len(folds), len(image_ids), NUM_CLASSES), np.nan, np.float32)
        for values, (member, fold) in zip(logits, folds, strict=True):
            fold.fill(values, start)
            # A row without logits must be a fault that the run has recorded; any other gap is a bug, and
            # would be averaged over fewer folds without a message.
            lost = [image_ids[row] for row in np.flatnonzero(~has_logits(values)).tolist()]
            if not member.faults.keys() >= set(lost):
                raise RuntimeError(f"{member.run}: a fold lacks logits of {len(lost)} images")
        yield image_ids, logits
        start += len(image_ids)


def _other_images(member: _Member, first: _Member) -> UserError:
    # Read whole only here, for the message: comparing goes part by part.
    ids, others = (
        set(read_arrow(m.run.folder, EVAL_TABLE, ["ImageID"])["ImageID"].to_pylist())
        for m in (first, member)
    )
    odd = sorted(ids ^ others)
    what = f"{len(odd)} differ, such as {odd[0]}" if odd else "they are in another order"
    return UserError(
        f"{member.run}: its eval images are not those of the first run ({what}); only runs on the"
        " same eval images can be averaged."
    )


def _refuse_doubles(members: Sequence[_Member]) -> None:
    seen: dict[str, str] = {}
    # Fingerprints are compared, since info.csv of two data sets may have the same names.
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


def _most_frequent_class(run: Run) -> int:
    parts = read_parts(run.folder, TABLE, ["label"])
    counts = [np.bincount(part["label"].to_numpy(), minlength=NUM_CLASSES) for part in parts]
    return int(np.sum(counts, axis=0).argmax())
