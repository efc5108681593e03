"""Runs compared: which setting is better, by how much, how surely, and what else differs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.task import MetricName, Task, differences_of_parts
from maskcls.evaluation.aligned import Aligned, Scored, aligned, same_answers
from maskcls.evaluation.held_out import read_held_out
from maskcls.evaluation.own_interval import own_interval
from maskcls.evaluation.what_differs import (
    SEED,
    Code,
    Settings,
    code_that_differs,
    fingerprint_of,
    numbers_of,
    settings_that_differ,
)
from maskcls.folds.splits import IMAGE_STAMP
from maskcls.statistics.class_scores import class_scores, part_scores
from maskcls.statistics.intervals import Interval
from maskcls.statistics.measures import measure_of
from maskcls.statistics.paired import Paired, holm, paired_difference, paired_intervals
from maskcls.statistics.resampling import estimate
from maskcls.statistics.rows import Rows
from maskcls.store.run import Run


@dataclass(frozen=True)
class Side:
    """A setting: a run, or several that differ in their seed alone."""

    runs: tuple[Run, ...]
    scored: tuple[Scored, ...]

    @property
    def name(self) -> str:
        """The runs' names."""
        return " + ".join(one.name for one in self.scored)

    @property
    def seeds(self) -> list[int]:
        """train.seed of each run."""
        return [run.config.train.seed for run in self.runs]

    @property
    def leaks(self) -> bool:
        """Whether images of one group are in training and validation."""
        return any(r.config.folds.scheme == "image" and r.task.has_groups for r in self.runs)


@dataclass(frozen=True)
class Difference:
    """B's score minus A's, of a class (F1) or a part (macro F1)."""

    name: str
    difference: float
    interval: Interval


@dataclass(frozen=True)
class Pair:
    """Two settings compared; differences are B's minus A's, positive where B is better.

    values: of the metric as its name says, means over the seeds; intervals: of them, by groups, None
    where not known. p_adjusted: by Holm over comparisons, the pairs that have a p and not the same
    answers. settings, code: what differs, see what_differs.py. rows: held-out rows that were compared,
    one for each repeat of each of the images; left_out: those that some of the runs have, and not all.
    """

    a: Side
    b: Side
    metric: MetricName
    values: tuple[float, float]
    intervals: tuple[Interval | None, Interval | None]
    paired: Paired
    p_adjusted: float
    comparisons: int
    same_answers: bool
    settings: Settings
    code: Code
    same_folds: bool
    same_groups: bool
    images: int
    rows: int
    left_out: int
    per_class: tuple[Difference, ...]
    parts: tuple[Difference, ...]

    @property
    def is_claimed(self) -> bool:
        """Whether a difference is claimed, with all pairs that were looked at in view.

        Never of a score with a leak against one without.
        """
        claimed = self.paired.is_claimed and self.p_adjusted < 1 - self.paired.interval.level
        return claimed and self.a.leaks == self.b.leaks

    @property
    def verdict(self) -> str:
        """One sentence: which is better, by how much, and whether the cause is known."""
        return f"{self._better}; {self._cause}"

    @property
    def _better(self) -> str:
        found = self.paired
        if self.same_answers:
            return "no difference can be claimed: all answers are the same"
        if not np.isfinite(found.difference):
            return "no difference can be claimed: the metric is not defined on these images"
        if self.a.leaks != self.b.leaks:
            leaky = self.a if self.a.leaks else self.b
            return (
                "no difference can be claimed: folds.scheme=image lets the networks of"
                f" {leaky.name} learn from the groups that score them"
                f" ({found.difference:+.4f} {found.interval} is the leak's too)"
            )
        if not self.is_claimed:
            return f"no difference can be claimed: {found.difference:+.4f} {found.interval}"
        side = self.b if found.difference > 0 else self.a
        low, high = found.interval.low, found.interval.high
        if found.difference < 0:
            low, high = -high, -low
        return f"{side.name} is better by {abs(found.difference):.4f} [{low:.4f}, {high:.4f}]"

    @property
    def _cause(self) -> str:
        names, others = list(self.settings), self._others
        if len(names) > 1:
            all_of_it = ", ".join([*names, *others])
            return f"several settings differ, so the cause cannot be told: {all_of_it}"
        if names and others:
            return f"the cause cannot be told: {names[0]} differs, and {_listed(others)} too"
        if names:
            return f"one setting differs: {names[0]}"
        return f"no setting differs, only {_listed(others)}" if others else "no setting differs"

    @property
    def _others(self) -> list[str]:
        """What differs beside the settings and can be the cause, too."""
        others = []
        # Of several seeds on each side, what one of them adds is in the training noise.
        one_each = min(len(self.a.seeds), len(self.b.seeds)) == 1
        if sorted(self.a.seeds) != sorted(self.b.seeds) and (one_each or not self.settings):
            others.append(SEED)
        # A setting of the folds acts by them.
        if not self.same_folds and not any(name.startswith("folds.") for name in self.settings):
            others.append("the folds")
        if not self.same_groups:
            others.append("the groups")
        if self.code:
            others.append(f"the code ({', '.join(self.code)})")
        return others

    @property
    def remarks(self) -> list[str]:
        """What to know about the comparison, in sentences."""
        found = self.paired
        remarks = [] if self.same_answers else [self._noise]
        if self.a.leaks and self.b.leaks:
            remarks.append(IMAGE_STAMP)
        if not self.same_folds:
            remarks.append("other folds: a part of the difference may be the split's")
        if self.left_out:
            remarks.append(
                f"compared on the {self._shared} that both have; {self.left_out:,} are in one alone"
            )
        if not self.same_groups:
            remarks.append("the groups differ: those that share an image were taken as one")
        if found.groups == self.images:
            remarks.append(
                "one group per image, so the intervals are over images: where several images show one"
                " thing, they are too narrow"
            )
        return remarks

    @property
    def _noise(self) -> str:
        found = self.paired
        if min(found.seeds) > 1 or found.noise_from == "seeds":
            return (
                f"training noise measured on {found.seeds[0]} and {found.seeds[1]} seeds:"
                f" standard deviation {found.noise:.4f} of the difference"
            )
        if found.noise_from is None:
            return (
                "training noise not measured (one seed each), and one fold does not tell it: another"
                " seed may turn the difference round"
            )
        return (
            "training noise not measured (one seed each): the interval allows for what the folds'"
            " networks differ by"
        )

    @property
    def _shared(self) -> str:
        if self.rows == self.images:
            return f"{self.images:,} held-out images"
        return f"{self.rows:,} held-out rows (one per repeat of each of {self.images:,} images)"

    def to_json(self) -> dict[str, Any]:
        """As --json has it; what is not defined is null."""
        found = self.paired
        return {
            "a": self.a.name,
            "b": self.b.name,
            "metric": self.metric,
            "values": [_number(value) for value in self.values],
            "value_intervals": [one and _interval(one) for one in self.intervals],
            "difference": _number(found.difference),
            "interval": _interval(found.interval),
            "p": _number(found.p),
            "p_adjusted": _number(self.p_adjusted),
            "comparisons": self.comparisons,
            "same_answers": self.same_answers,
            "settings": {name: list(values) for name, values in self.settings.items()},
            "same_folds": self.same_folds,
            "seeds": [self.a.seeds, self.b.seeds],
            "verdict": self.verdict,
            "remarks": self.remarks,
            "claimed": self.is_claimed,
            "training_noise": _number(found.noise) if found.noise_from else None,
            "training_noise_from": found.noise_from,
            "p_of_these_networks": _number(found.p_trained),
            "code": {name: list(values) for name, values in self.code.items()},
            "images": self.images,
            "rows": self.rows,
            "groups": found.groups,
            "left_out": self.left_out,
            "per_class": [_plain(one) for one in self.per_class],
            "parts": [_plain(one) for one in self.parts],
        }


def compare_runs(runs: Sequence[Run]) -> list[Pair]:
    """Every pair of the settings that the runs are of, in the order given.

    Runs that differ in train.seed alone are the seeds of one setting, unless all of them are.

    Raises UserError for fewer than two runs, runs that are not finished, of other data, or of a task
    with other classes or another metric.
    """
    if len(runs) < 2:
        raise UserError("name two runs or more.")
    for run in runs[1:]:
        _refuse_other(runs[0], run)
    sides = _sides(runs)
    pairs = [_pair(runs[0].task, a, b) for a, b in combinations(sides, 2)]
    # The same answers are no finding that another one could be taken for.
    p = [np.nan if pair.same_answers else pair.paired.p for pair in pairs]
    count = int(np.isfinite(p).sum())
    return [
        replace(pair, p_adjusted=pair.paired.p if pair.same_answers else own, comparisons=count)
        for pair, own in zip(pairs, holm(p), strict=True)
    ]


def _refuse_other(a: Run, b: Run) -> None:
    if found := differences_of_parts(a.task, b.task):
        raise UserError(
            f"{a} and {b}: they learned other classes ({found}); compare runs of one task."
        )
    if a.task.metric != b.task.metric:
        raise UserError(
            f"{a} and {b}: they are ranked by other metrics ({a.task.metric}, {b.task.metric});"
            " compare runs of one task."
        )
    if fingerprint_of(a) != fingerprint_of(b):
        raise UserError(
            f"{a} and {b}: they were trained on other data ({_described(a)}; {_described(b)});"
            " compare runs of the same images, labels and groups."
        )


def _described(run: Run) -> str:
    record = run.record()
    data = {} if record is None else record.data
    return f"{data.get('images')} images, fingerprint {str(data.get('fingerprint'))[:8]}"


def _sides(runs: Sequence[Run]) -> list[Side]:
    scored = []
    for run in runs:
        held_out = read_held_out(run)
        repeats = held_out.rows.folds // run.config.folds.per_repeat
        scored.append(Scored(str(run), held_out, repeats))
    by_setting: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        settings = sorted((n, str(v)) for n, v in numbers_of(run.config).items() if n != SEED)
        by_setting.setdefault(str(settings), []).append(number)
    # The same run or seed twice is no repeat.
    distinct = all(
        len({runs[number].config.train.seed for number in of}) == len(of)
        for of in by_setting.values()
    )
    alone = [[number] for number in range(len(runs))]
    together = list(by_setting.values()) if distinct and len(by_setting) > 1 else alone
    return [
        Side(tuple(runs[number] for number in of), tuple(scored[number] for number in of))
        for of in together
    ]


def _pair(task: Task, a: Side, b: Side) -> Pair:
    found = aligned([*a.scored, *b.scored])
    of_a, of_b = found.rows[: len(a.runs)], found.rows[len(a.runs) :]
    paired = paired_difference(task, of_a, of_b)
    is_whole = found.same_groups and not found.left_out
    return Pair(
        a, b, task.metric, (_mean(task, of_a), _mean(task, of_b)),
        (own_interval(task, a.runs, of_a, is_whole), own_interval(task, b.runs, of_b, is_whole)),
        paired, paired.p, 1, same_answers(_by_seed(a, of_a), _by_seed(b, of_b)),
        settings_that_differ(a.runs[0].config, b.runs[0].config),
        code_that_differs(a.runs, b.runs),
        found.same_folds, found.same_groups, found.images, len(of_a[0]), found.left_out,
        *_details(task, found, of_a, of_b),
    )  # fmt: skip


def _by_seed(side: Side, rows: Sequence[Rows]) -> list[Rows]:
    return [rows[place] for place in np.argsort(side.seeds, kind="stable")]


def _details(
    task: Task, found: Aligned, a: Sequence[Rows], b: Sequence[Rows]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    classes = paired_intervals(class_scores(task), a, b)
    per_class = tuple(Difference(n, *of) for n, of in zip(task.classes, classes, strict=True))
    if len(task.parts) == 1:
        return per_class, ()
    parts = paired_intervals(part_scores(task), a, b)
    names = [part.name for part in task.parts]
    return per_class, tuple(Difference(n, *of) for n, of in zip(names, parts, strict=True))


def _mean(task: Task, runs: Sequence[Rows]) -> float:
    values = [float(estimate(measure_of(task, rows), rows.num_groups)) for rows in runs]
    return float(np.mean(values))


def _listed(words: Sequence[str]) -> str:
    """As a sentence has them: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _plain(one: Difference) -> dict[str, Any]:
    return {
        "name": one.name,
        "difference": _number(one.difference),
        "interval": _interval(one.interval),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(found: Interval) -> list[float | None]:
    return [_number(found.low), _number(found.high)]
