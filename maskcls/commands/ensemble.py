"""`maskcls ensemble`: combine the eval logits of all folds of all runs into a submission."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import Exit, UserError
from maskcls.core.names import some
from maskcls.core.progress import Progress
from maskcls.data.answers import AnswerForm, Values, form_of
from maskcls.data.sample import rows_of_sample
from maskcls.evaluation import ensembling
from maskcls.evaluation.by_group import GroupCodes, GroupMeans
from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.members import Member, eval_parts, fold_weights, read_members
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile
from maskcls.store.record import now, versions
from maskcls.store.results import Sample
from maskcls.store.run import TABLE, Run
from maskcls.store.tables import read_parts

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ensembled:
    """Exit code, location of the submission, and its provenance."""

    exit_code: Exit
    out: str
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _Scores:
    """Names of some images (or groups) and their combined scores [n, K], NaN for one without logits."""

    names: list[str]
    scores: Float64


@dataclass(frozen=True)
class _Answered:
    """Some rows of the submission; lost: names of those without logits."""

    names: list[str]
    values: Values
    lost: list[str]


def ensemble(
    runs: Sequence[str],
    out: str,
    progress: Progress,
    allow_missing_folds: bool = False,
    rule: Rule = "logits",
    weights: Sequence[float] | None = None,
    by_group: bool = False,
) -> Ensembled:
    """Combine folds and runs; write the submission and OUT.provenance.json next to it.

    runs: locations of run folders of one task, any backbones and heads, the same eval images. rule: how
    members are combined. weights: of each run, divided equally among its folds; None gives each fold of
    each run the same weight. by_group: a row for each group of eval images, their mean.
    The submission has the form of the first run's task, and the rows of its sample submission, else all
    eval images in their order. An image that no member could decode gets the most frequent class of the
    training images, or their classes' shares as probabilities. Raises UserError when a fold is missing
    and that is not allowed.
    """
    # First: a location that cannot be written is refused before the work.
    output = OutputFile.at(out)
    rule = ensembling.rule_named(rule)
    members = read_members([Run.open(Folder.at(run)) for run in runs], allow_missing_folds)
    work = _Work(members, rule, fold_weights(members, weights), by_group, progress)
    output.fill(work.fill)
    provenance = work.provenance(None if weights is None else list(weights))
    # After the submission, so that a provenance never describes a file that is not there.
    if not output.is_stream:  # there is no place next to stdout
        output.folder.write_json(f"{output.name}.provenance.json", provenance)
    work.warn_of_lost()
    missing = any(m.about.missing_folds for m in members)
    code = Exit.DEGRADED if work.is_degraded or missing else Exit.GOOD
    return Ensembled(code, out, provenance)


class _Work:
    """One submission: how its rows come about, and what was lost on the way."""

    def __init__(
        self,
        members: Sequence[Member],
        rule: Rule,
        weights: Float64 | None,
        by_group: bool,
        progress: Progress,
    ) -> None:
        # Task, faults and fallback are of the first run: all runs have the same eval images, but perhaps
        # other tables.
        self._members, self._rule, self._weights = members, rule, weights
        self._by_group, self._progress = by_group, progress
        self._run, self._faults = members[0].run, members[0].faults
        self._task = self._run.task
        self._sample = _sample_of(self._run)
        self._form: AnswerForm = form_of(self._task, self._sample)
        if self._form.probabilities:
            ensembling.require_probabilities(rule)
        counts = _class_counts(self._run)
        self._fallback, self._shares = int(counts.argmax()), counts / counts.sum()
        self._lost: list[str] = []
        self._left_out: dict[str, str] = {}
        self._rows = 0

    @property
    def is_degraded(self) -> bool:
        """Whether an answer lacks images: all of them, or some of its group."""
        return bool(self._lost or self._left_out)

    def fill(self, path: Path) -> None:
        """Write the submission."""
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(self._form.header)
            for part in self._answered():
                rows.writerows(self._form.rows(part.names, part.values))
                self._lost += part.lost
                self._rows += len(part.names)

    def _answered(self) -> Iterator[_Answered]:
        scores = self._group_scores() if self._by_group else self._image_scores()
        parts = map(self._answer, scores)
        # Without a sample part by part: with millions of images, names and logits of all folds do not
        # fit into memory. To put them into another order, names and answers have to.
        return parts if self._sample is None else iter([self._in_order(self._sample, parts)])

    def _image_scores(self) -> Iterator[_Scores]:
        for part in eval_parts(self._members):
            yield _Scores(part.images, self._combine(part.logits))

    def _combine(self, logits: npt.NDArray[np.float32]) -> Float64:
        return ensembling.combine(logits, self._rule, self._weights, self._task.sizes)

    def _group_scores(self) -> Iterator[_Scores]:
        """The mean over each group's images of logits, probabilities or votes, as the rule has it."""
        codes, means = GroupCodes(), GroupMeans(0, self._task.num_classes)
        without: list[tuple[str, str]] = []
        for part in eval_parts(self._members, with_groups=True):
            assert part.groups is not None
            scores = self._combine(part.logits)
            # The mean of log-probabilities would be another rule.
            means.add(codes.of(part.groups), np.exp(scores) if self._rule == "probs" else scores)
            for row in np.flatnonzero(np.isnan(scores).all(axis=1)).tolist():
                without.append((part.images[row], part.groups[row]))
        names = codes.names
        found = means.means(len(names))
        empty = {names[row] for row in np.flatnonzero(np.isnan(found).all(axis=1)).tolist()}
        self._left_out = {image: group for image, group in without if group not in empty}
        with np.errstate(divide="ignore"):
            yield _Scores(names, np.log(found) if self._rule == "probs" else found)

    def _answer(self, part: _Scores) -> _Answered:
        lost = np.asarray(np.isnan(part.scores).all(axis=1))  # log-probabilities may be -inf
        classes = np.where(lost, self._fallback, np.nan_to_num(part.scores).argmax(axis=1))
        probs = None
        if self._form.probabilities:
            probs = ensembling.probabilities(part.scores, self._rule)
            probs[lost] = self._shares
        names = [part.names[row] for row in np.flatnonzero(lost).tolist()]
        return _Answered(part.names, self._form.values(classes, probs), names)

    def _in_order(self, sample: Sample, parts: Iterator[_Answered]) -> _Answered:
        """The rows of the sample, in its order and with its names."""
        found = list(parts)
        names = [name for part in found for name in part.names]
        what = "group of eval images" if self._by_group else "eval image"
        rows = rows_of_sample(sample, names, what)
        others = np.delete(np.arange(len(names)), rows)
        if len(others):
            left = some([names[row] for row in others[:3].tolist()], len(others))
            self._progress.warn(f"{sample.where} does not name {left}: left out of the submission")
        lost = {name for part in found for name in part.lost}
        values = np.concatenate([part.values for part in found])[rows]
        kept = [names[row] for row in rows.tolist() if names[row] in lost]
        return _Answered(list(sample.images), values, kept)

    def provenance(self, weights: list[float] | None) -> dict[str, Any]:
        """What the submission was made from."""
        task, members = self._task, self._members
        fallback: dict[str, Any] = {
            "class": self._fallback,
            "name": task.classes[self._fallback],
            "images": {name: self._why(name) for name in self._lost},
        }
        if self._form.probabilities:
            fallback["probabilities"] = self._shares.tolist()
        found: dict[str, Any] = {
            "created": now(),
            "versions": versions(),
            "task": {"name": task.name, "classes": list(task.classes)},
            "answers": {"columns": list(self._form.header), "values": task.answers.values},
            "rule": f"{ensembling.RULES[self._rule]}; {self._ending()}",
            "weights": weights,
            "members": [label for member in members for label in member.labels()],
            "runs": [asdict(m.about) for m in members],
            "images": self._rows,
            "fallback": fallback,
        }
        if self._by_group:
            found["by_group"] = "mean over the images of each group"
            found["not_in_their_groups"] = {i: self._why(i) for i in self._left_out}
        return found

    def _ending(self) -> str:
        return "as probabilities" if self._form.probabilities else "the largest wins"

    def _why(self, name: str) -> str:
        without = "no image could be decoded" if self._by_group else "no logits"
        return self._faults.get(name, without)

    def warn_of_lost(self) -> None:
        """Name the first of the images without logits; all of them are in the provenance."""
        answer = f"class {self._fallback} ({self._task.classes[self._fallback]})"
        if self._form.probabilities:
            answer = "the classes' shares of the training images"
        for name in self._lost[:20]:
            self._progress.warn(f"{name}: {self._why(name)}; answered with {answer}")
        for image, group in list(self._left_out.items())[:20]:
            self._progress.warn(
                f"{image}: {self._why(image)}; group {group} is answered without it"
            )


def _sample_of(run: Run) -> Sample | None:
    sample = run.sample()
    if sample is None and run.task.answers.like is not None:
        raise UserError(
            f"{run}: sample.json is missing, which holds the rows of {run.task.answers.like}; the run"
            " is not complete, train it again"
        )
    return sample


def _class_counts(run: Run) -> npt.NDArray[np.int64]:
    size = run.task.num_classes
    parts = read_parts(run.folder, TABLE, ["label"])
    counts = [np.bincount(part["label"].to_numpy(), minlength=size) for part in parts]
    return np.asarray(np.sum(counts, axis=0), np.int64)
