"""`maskcls ensemble`: the final job; averages the logits of all folds of all runs into a submission."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.errors import Exit, UserError
from maskcls.core.labels import class_name
from maskcls.core.progress import Progress
from maskcls.evaluation import ensembling
from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.out_of_fold import eval_table
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.store.record import now, read_record, versions
from maskcls.store.tables import read_arrow


@dataclass(frozen=True)
class Ensembled:
    """How it ended, where the submission lies, and its provenance."""

    exit_code: Exit
    out: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _Member:
    """A run's eval logits and what is said of it in the provenance."""

    run: Folder
    image_ids: list[str]
    table: pa.Table
    faults: dict[str, str]
    about: dict[str, Any]


def ensemble(
    runs: Sequence[str],
    out: str,
    progress: Progress,
    allow_missing_folds: bool = False,
    rule: Rule = "logits",
    weights: Sequence[float] | None = None,
) -> Ensembled:
    """Combine folds and runs; write the submission and OUT.provenance.json beside it.

    runs: locations of run folders, any backbones and heads, the same eval images. rule: how members
    become one answer. weights: of each run, shared out evenly among its folds; None weighs each fold
    of each run alike. The submission has all rows
    of info.csv in its order; an image that no member could decode gets the most frequent class of
    the training photos. Raises UserError when a fold is missing and that was not allowed.
    """
    folder, name = Folder.of_file(out)  # before the work, not after it
    members = [_read_member(Folder.at(run), allow_missing_folds) for run in runs]
    _refuse_doubles(members)
    first = members[0]
    tables = [(m.run.shown, m.table) for m in members]
    whole = ensembling.members_of(first.image_ids, tables)
    mean = ensembling.combine(whole.logits, rule, _weights(members, weights))
    lost = np.asarray(np.isnan(mean).all(axis=1))  # log-probabilities may well be -inf
    fallback = _most_frequent_class(first.run)
    answers = np.where(lost, fallback, np.nan_to_num(mean).argmax(axis=1))
    folder.write_bytes(name, _submission(first.image_ids, answers.tolist()))
    lost_ids = [image for image, gone in zip(first.image_ids, lost, strict=True) if gone]
    provenance = {
        "created": now(),
        "versions": versions(),
        "rule": f"{ensembling.RULES[rule]}; the largest wins",
        "weights": None if weights is None else list(weights),
        "members": whole.labels,
        "runs": [m.about for m in members],
        "images": len(first.image_ids),
        "fallback": {
            "class": fallback,
            "name": class_name(fallback),
            "images": {image: first.faults.get(image, "no logits") for image in lost_ids},
        },
    }
    folder.write_json(f"{name}.provenance.json", provenance)
    for image in lost_ids[:20]:
        reason = first.faults.get(image, "no logits")
        progress.warn(f"{image}: {reason}; answered with class {fallback} ({class_name(fallback)})")
    missing = any(m.about["missing_folds"] for m in members)
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
    folds = [len(m.about["folds"]) for m in members]
    shares = [[w / n] * n for w, n in zip(weights, folds, strict=True)]
    return np.array([share for run in shares for share in run])


def _read_member(run: Folder, allow_missing: bool) -> _Member:
    if not run.exists("config.json"):
        raise UserError(f"{run}: this is no run's folder; name one that maskcls train has written.")
    if not run.exists("eval_table.parquet"):
        raise UserError(f"{run}: this run was made without eval photos; it has no part to play.")
    config = run.read_bytes("config.json")
    settings = run.read_json("config.json")
    if settings["folds"]["scheme"] == "image":
        raise UserError(
            f"{run}: trained with folds.scheme=image, which is only to show what its leak is worth;"
            " train with folds of people for a submission."
        )
    count = run_files.num_folds(settings)
    done = {k: d for k in range(count) if (d := run_files.read_done(run, k)) is not None}
    missing = [k for k in range(count) if k not in done]
    if missing and (not allow_missing or not done):
        raise UserError(
            f"{run}: fold {', '.join(map(str, missing))} of {count} is not done; train it with the"
            " same maskcls train command"
            + (", or say --allow-missing-folds." if done else ": there is nothing to average yet.")
        )
    ids = read_arrow(run, "eval_table.parquet")["ImageID"].combine_chunks()
    faults: dict[str, str] = run.read_json("faults.json")["eval"]
    row_of = {image: row for row, image in enumerate(ids.to_pylist())}
    fault_rows = {row_of[image]: reason for image, reason in faults.items()}
    table = eval_table(run, done, run_files.folds_per_repeat(settings), ids, fault_rows)
    record = read_record(run) or {}
    names = ("fold", "checkpoint", "model_sha256", "best_epoch", "macro_f1")
    about = {
        "run": run.shown,
        "config_sha256": hashlib.sha256(config).hexdigest(),
        "data": record.get("data"),
        "git_commit": record.get("git_commit"),
        "folds": [{n: d[n] for n in names} for d in done.values()],
        "missing_folds": missing,
    }
    return _Member(run, ids.to_pylist(), table, faults, about)


def _refuse_doubles(members: Sequence[_Member]) -> None:
    seen: dict[str, str] = {}
    for number, member in enumerate(members):
        data, first = member.about["data"] or {}, members[0].about["data"] or {}
        if data.get("eval_fingerprint") != first.get("eval_fingerprint"):
            raise UserError(
                f"{member.run}: made for other eval photos than {members[0].run}, though they have"
                " the same names; only runs on the same eval photos can be averaged."
            )
        for fold in member.about["folds"]:
            here = f"{member.run} (run {number + 1}) fold {fold['fold']}"
            there = seen.setdefault(fold["model_sha256"], here)
            if there != here:
                raise UserError(f"{here}: the same network as {there}; it would count double.")


def _most_frequent_class(run: Folder) -> int:
    labels = read_arrow(run, "table.parquet")["label"].to_numpy()
    return int(np.bincount(labels, minlength=18).argmax())


def _submission(image_ids: Sequence[str], answers: Sequence[int]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["ImageID", "ans"])
    rows.writerows(zip(image_ids, answers, strict=True))
    return text.getvalue().encode()
