"""What to know about a split before its score is believed, in sentences."""

import pandas as pd

from maskcls.config.schema import Folds
from maskcls.core.task import Task
from maskcls.folds.assign import stratum_sizes
from maskcls.folds.class_counts import Int64
from maskcls.folds.given import given_numbers
from maskcls.folds.splits import IMAGE_STAMP, Grouped, class_counts

NO_GROUPS = (
    "no group is named: each image is its own group; if several images show one thing (a person, a"
    " lesion, a camera), name it, else the score is too good and its interval"
    " too narrow"
)
_MOST = 10


def fold_remarks(table: Grouped, settings: Folds) -> list[str]:
    """A sentence for each thing that makes folds uneven, or their score another than it seems."""
    scheme: str = settings.scheme
    if scheme == "auto":
        scheme = "given" if "fold" in table.images else "kfold"
    if scheme == "image":
        return [IMAGE_STAMP] if table.task.has_groups else []
    if scheme == "given":
        numbers = given_numbers(table.images)
        if numbers == tuple(range(len(numbers))):
            return []
        shown = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
        return [f"the given folds {shown} are numbered 0 to {len(numbers) - 1} here"]
    if scheme != "kfold":
        return []
    if table.task.strata:
        return small_strata(table.groups, table.task, settings.count)
    counts, what = class_counts(table), "groups" if table.task.has_groups else "images"
    return [
        *small_classes(counts.groups_with, table.task.classes, settings.count, what),
        *large_groups(counts.sizes, table.groups["group"], settings.count),
    ]


def small_strata(groups: pd.DataFrame, task: Task, count: int) -> list[str]:
    """A sentence for each stratum with fewer groups than folds; the first ten."""
    names = task.strata
    # The strata's own names, by a task of just their parts.
    strata = Task("strata", tuple(task.part(name) for name in names)).classes
    return small_classes(stratum_sizes(groups, task), strata, count, "groups", "stratum")


def small_classes(
    groups_with: Int64, names: tuple[str, ...], count: int, what: str, kind: str = "class"
) -> list[str]:
    """A sentence for each class with fewer groups than folds; the first ten, and how many more.

    groups_with: groups of each class, int64 [K]; what: "groups" or "images"; kind: of the names.
    """
    sentences = []
    for name, num in zip(names, groups_with.tolist(), strict=True):
        if num < count:
            units = what if num != 1 else what.removesuffix("s")
            folds = "1 fold has" if count - num == 1 else f"{count - num} folds have"
            sentences.append(
                f"{kind} {name}: {num} {units} for {count} folds, so {folds} none of it in validation"
            )
    return _shortened(sentences, f"{kind} with fewer {what} than folds")


def large_groups(sizes: Int64, names: "pd.Series[str]", count: int) -> list[str]:
    """A sentence for each group that holds more images than a fold should: the folds are uneven."""
    total = int(sizes.sum())
    largest = (-sizes).argsort(kind="stable")[:count]  # no more can hold more than 1 / count
    return [
        f"group {names.iloc[place]} holds {100 * size / total:.0f} % of the images, more than a fold's"
        f" share of {100 / count:.0f} %: folds cannot be even"
        for place, size in zip(largest.tolist(), sizes[largest].tolist(), strict=True)
        if size * count > total
    ]


def _shortened(sentences: list[str], what: str) -> list[str]:
    more = len(sentences) - _MOST
    return sentences if more <= 0 else [*sentences[:_MOST], f"and {more} more: {what}"]
