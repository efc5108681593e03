"""The rows of a submission: from the members' eval logits, part by part, to a CSV file."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import some
from maskcls.core.progress import Progress
from maskcls.data.answers import AnswerForm, Values, form_of
from maskcls.data.sample import rows_of_sample
from maskcls.evaluation import ensembling
from maskcls.evaluation.by_group import GroupCodes, GroupMeans
from maskcls.evaluation.class_shares import class_shares
from maskcls.evaluation.decided import Asked, Decided, decide, require_fitting
from maskcls.evaluation.eval_sample import eval_of
from maskcls.evaluation.members import Member, eval_parts, fold_weights
from maskcls.evaluation.pooled import Combining
from maskcls.evaluation.sources import BY_GROUP, sources_of
from maskcls.store.results import Sample
from maskcls.store.run import Run

Float64 = npt.NDArray[np.float64]


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


class Answering:
    """One submission: how its rows come about, and what was lost on the way."""

    def __init__(
        self, members: Sequence[Member], how: Combining, asked: Asked, progress: Progress,
        optimism: float = 0.0,
    ) -> None:  # fmt: skip
        """optimism: see Chosen."""
        # Task, faults and fallback are of the first run: all runs have the same eval images, but perhaps
        # other tables.
        self._members, self._progress = members, progress
        self._rule, self._by_group = how.rule, how.by_group
        self._run, self._faults = members[0].run, members[0].faults
        self._task = self._run.task
        self._sample = _sample_of(self._run)
        self._form: AnswerForm = form_of(self._task, self._sample)
        is_probs = bool(self._form.probabilities)
        if is_probs:
            ensembling.require_probabilities(how.rule)
        self._shares = class_shares(self._run)
        self._fallback = int(self._shares.argmax())
        self._lost: list[str] = []
        self._left_out: dict[str, str] = {}
        self._rows = 0
        require_fitting(asked, how.rule, self._task, is_probs)
        weights = fold_weights(members, how.weights)
        networks = [(member.run, member.folds) for member in members]
        images = eval_of(members, how.by_group)
        self._decided: Decided = decide(
            networks, how, asked, weights, images, self._shares, is_probs, optimism
        )

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
            yield _Scores(part.images, self._decided.combine(part.logits))

    def _group_scores(self) -> Iterator[_Scores]:
        """The mean over each group's images of logits, probabilities or votes, as the rule has it."""
        codes, means = GroupCodes(), GroupMeans(0, self._task.num_classes)
        without: list[tuple[str, str]] = []
        for part in eval_parts(self._members, with_groups=True):
            assert part.groups is not None
            scores = self._decided.combine(part.logits)
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
        classes = np.where(lost, self._fallback, self._decided.classes(part.scores))
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
        task = self._task
        fallback: dict[str, Any] = {
            "class": self._fallback,
            "name": task.classes[self._fallback],
            "images": {name: self._why(name) for name in self._lost},
        }
        if self._form.probabilities:
            fallback["probabilities"] = self._shares.tolist()
        found = sources_of(
            self._members, self._decided, self._form.header, task.answers.values, self._ending(),
            self._rows, weights,
        )  # fmt: skip
        found["fallback"] = fallback
        if self._by_group:
            found["by_group"] = BY_GROUP
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
