"""The six metrics: their names, values and scores, from counts of rows or from what ranks them.

    score    the task's metric so that higher is better: log loss with its sign changed, the others as
             they are. Epochs, trials and runs are compared by it alone.
    value    a metric as its name says, and as screens and files show it

core/tally.py counts rows; what is computed here depends on the counts alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.interval import Interval
from maskcls.core.plain import from_plain
from maskcls.core.task import MetricName, Task

TITLES: dict[MetricName, str] = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "quadratic_kappa": "quadratic kappa",
    "auc": "AUC",
    "log_loss": "log loss",
}
"""The metrics as screens name them."""
OF_PROBABILITIES: frozenset[MetricName] = frozenset({"auc", "log_loss"})
"""What a confusion matrix does not tell."""
SHARES: frozenset[MetricName] = frozenset({"macro_f1", "accuracy", "balanced_accuracy", "auc"})
"""What lies between 0 and 1."""
KEYS_BESIDE_PARTS = frozenset(
    {
        "metric",
        "score",
        "per_class",
        "images",
        "faults",
        "joined_on",
        "warning",
        *TITLES,
        "interval",
        "interval_by",
        "interval_note",
        "honest",
        "last_epoch",
        "fold_mean",
        "fold_deviation",
        "calibration_error",
        "confusion",
        "by_group",
    }
)
"""Keys that stand beside the parts in metrics.json and `score --json`: names that no part may have."""

Confusion = npt.NDArray[np.int64]
Values = dict[MetricName, float]


@dataclass(frozen=True)
class ClassScore:
    """A class's scores, 0 to 1; images: rows with this label; interval: of F1, None where unknown."""

    number: int
    name: str
    f1: float
    precision: float
    recall: float
    images: int
    interval: Interval | None = None


@dataclass(frozen=True)
class PartScore:
    """Scores of one part of the label (of the mask task: mask, gender or age) by itself, 0 to 1.

    interval: of macro F1, None where unknown.
    """

    macro_f1: float
    accuracy: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Score:
    """The full score.

    metric: the one that ranks. score: its value so that higher is better; None where it is not defined:
    AUC of rows of one class only, and what needs probabilities where there are none. values: of each of
    the task's metrics that is defined, the ranking one first. parts: of each part alone, where the task
    has several.
    """

    metric: MetricName
    score: float | None
    values: Values
    per_class: tuple[ClassScore, ...]
    parts: dict[str, PartScore] = field(default_factory=dict)

    @property
    def macro_f1(self) -> float:
        """Macro F1, which every task has."""
        return self.values["macro_f1"]

    @property
    def accuracy(self) -> float:
        """Accuracy, which every task has."""
        return self.values["accuracy"]

    def to_json(self) -> dict[str, object]:
        """As files and `score --json` have it: metrics and parts as keys beside the score."""
        return {
            "metric": self.metric,
            "score": self.score,
            **{str(name): value for name, value in self.values.items()},
            "per_class": [{"class": c.number} | _without_number(c) for c in self.per_class],
            **{name: _without_nothing(asdict(part)) for name, part in self.parts.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Score":
        """Read to_json back; keys that it does not write are ignored."""
        classes = [{"number": c["class"]} | c for c in values["per_class"]]
        part_keys = {"macro_f1", "accuracy"}
        return cls(
            values["metric"],
            values["score"],
            {name: values[name] for name in values if name in TITLES},
            tuple(from_plain(ClassScore, c) for c in classes),
            {
                name: from_plain(PartScore, value)
                for name, value in values.items()
                if isinstance(value, Mapping) and set(value) - {"interval"} == part_keys
            },
        )


def _without_number(score: ClassScore) -> dict[str, object]:
    # In the file it is called "class", which is no name for a field in Python.
    values = _without_nothing(asdict(score))
    return {name: value for name, value in values.items() if name != "number"}


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def oriented(metric: MetricName, number: float) -> float:
    """A metric's value as a score, for which higher is better; and a score as the metric's value."""
    # 0 - x and not -x: a log loss of 0 must not be shown as -0.0000.
    return 0.0 - number if metric == "log_loss" else number


def score_of(metric: MetricName, values: Mapping[MetricName, float]) -> float | None:
    """The score by which values are ranked; None where the metric is not among them."""
    return oriented(metric, values[metric]) if metric in values else None


def shown_score(metric: MetricName, score: float | None, digits: int = 4) -> str:
    """A score as a screen shows it, which is the metric's value; "-" for none."""
    return "-" if score is None else f"{oriented(metric, score):.{digits}f}"


def shown_values(
    metric: MetricName, values: Mapping[MetricName, float], digits: int = 4,
    interval: Interval | None = None,
) -> str:  # fmt: skip
    """Values with their titles, the ranking metric first: "AUC 0.9100  accuracy 0.8000".

    interval: of the ranking metric, shown behind it.
    """
    rest = [f"{TITLES[n]} {v:.{digits}f}" for n, v in values.items() if n != metric]
    first = f"{values[metric]:.{digits}f}" if metric in values else "-"
    first = with_interval(first, interval, digits)
    return "  ".join([f"{TITLES[metric]} {first}", *rest])


def with_interval(text: str, interval: Interval | None, digits: int = 4) -> str:
    """A shown value with its interval behind it, if it has one."""
    return text if interval is None else f"{text} {interval.shown(digits)}"


def of_confusion(task: Task, counts: Confusion) -> Values:
    """Those of the task's metrics that a confusion matrix [K, K] tells; a row for each label.

    Raises ValueError for the kappa of a task with several parts, whose classes have no order.
    """
    formulas: dict[MetricName, Callable[[], float]] = {
        "macro_f1": lambda: macro_f1(counts, task.absent),
        "accuracy": lambda: _accuracy(counts),
        "balanced_accuracy": lambda: _balanced_accuracy(counts),
        "quadratic_kappa": lambda: _quadratic_kappa(counts),
    }
    if "quadratic_kappa" in task.metrics and len(task.parts) > 1:
        raise ValueError("quadratic_kappa needs classes in an order, so a task of one part")
    return {name: formulas[name]() for name in task.metrics if name in formulas}


def full_score(task: Task, counts: Confusion, others: Mapping[MetricName, float]) -> Score:
    """The full score. counts: [K, K], a row for each label, one at least; others: of probabilities."""
    known = of_confusion(task, counts) | dict(others)
    values = {name: known[name] for name in task.metrics if name in known}
    return Score(
        task.metric, score_of(task.metric, values), values, _per_class(task, counts),
        _parts(task, counts) if len(task.parts) > 1 else {},
    )  # fmt: skip


def _per_class(task: Task, counts: Confusion) -> tuple[ClassScore, ...]:
    hits, images = np.diagonal(counts), counts.sum(axis=1)
    precision = hits / np.maximum(counts.sum(axis=0), 1)
    recall = hits / np.maximum(images, 1)
    f1 = _f1(counts)
    return tuple(
        ClassScore(k, name, float(f1[k]), float(precision[k]), float(recall[k]), int(images[k]))
        for k, name in enumerate(task.classes)
    )


def _parts(task: Task, counts: Confusion) -> dict[str, PartScore]:
    codes, parts = task.codes_of(np.arange(task.num_classes)), {}
    for part in task.parts:
        which = np.eye(len(part.values), dtype=np.int64)[codes[part.name]]  # [K, values]
        of_part = which.T @ counts @ which
        parts[part.name] = PartScore(macro_f1(of_part, task.absent), _accuracy(of_part))
    return parts


def macro_f1(counts: Confusion, absent: str) -> float:
    """Mean F1 of the classes; absent: of one without label and prediction: "zero", or "skip" it."""
    f1 = _f1(counts)
    if absent == "skip":
        f1 = f1[counts.sum(axis=0) + counts.sum(axis=1) > 0]
    return float(f1.mean())


def _f1(counts: Confusion) -> npt.NDArray[np.float64]:
    """F1 of each class of a confusion matrix [K, K]."""
    # 2 tp / (2 tp + fp + fn); where the denominator is 0 so is tp, and 0 / 1 is the 0 it counts.
    both_sides = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    return np.asarray(2 * np.diagonal(counts) / both_sides, np.float64)


def _accuracy(counts: Confusion) -> float:
    return float(np.trace(counts) / counts.sum())


def _balanced_accuracy(counts: Confusion) -> float:
    """Mean recall of the classes that occur among the labels."""
    images = counts.sum(axis=1)
    there = images > 0
    return float((np.diagonal(counts)[there] / images[there]).mean())


def _quadratic_kappa(counts: Confusion) -> float:
    """Cohen's kappa (1968), disagreements weighted by the square of the distance between two classes."""
    place = np.arange(len(counts), dtype=np.float64)
    weights = (place[:, None] - place) ** 2
    labels, predicted = counts.sum(axis=1), counts.sum(axis=0)
    by_chance = float((weights * np.outer(labels, predicted)).sum() / counts.sum())
    # All labels and all predictions are one and the same class: chance could not be wrong, and nothing
    # was. The quotient would be 0 / 0.
    return 1.0 - float((weights * counts).sum()) / by_chance if by_chance else 1.0


def area_under_curve(is_positive: npt.NDArray[np.bool_], rank: npt.NDArray[Any]) -> float:
    """AUC of two classes, float; both must occur.

    is_positive: [N]; rank: [N], higher for rows more likely positive. It is the share of pairs of a
    positive and a negative row in which the positive one ranks higher, ties counting half.
    """
    positive, negative = rank[is_positive], np.sort(rank[~is_positive])
    below = np.searchsorted(negative, positive, "left").sum(dtype=np.int64)
    not_above = np.searchsorted(negative, positive, "right").sum(dtype=np.int64)
    return float(int(below) + int(not_above)) / (2 * len(positive) * len(negative))


def auc(labels: npt.NDArray[Any], ranks: npt.NDArray[Any], num_classes: int) -> float | None:
    """AUC; None when the labels are of one class, since there is no pair to be told apart.

    labels: integers [N]. ranks: of two classes [N], higher for rows more likely of class 1; of more
    [N, K], a column for each class, of which the mean is taken over the classes that occur.
    """
    there = np.unique(labels)
    if len(there) < 2:
        return None
    if num_classes == 2:
        return area_under_curve(labels == 1, ranks)
    return float(np.mean([area_under_curve(labels == k, ranks[:, k]) for k in there]))
