"""Folds of groups, stratified on parts that each group has one value of: for mask gender x age group.

All images of a group are in one fold: with the same face and clothes in training and validation, the
score would not measure performance on new people.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.task import Int64, Task
from maskcls.folds.names import order_by_name


def assign_folds(groups: pd.DataFrame, task: Task, count: int, seed: int) -> npt.NDArray[np.int16]:
    """Draw a fold for each group.

    groups: columns group (unique) and a code for each of task.strata, in any order of rows.
    count: number of folds, 2 or more; seed: 0 or more.
    Returns int16 [number of groups] in 0..count-1, aligned to the rows given. Each stratum differs by
    at most one group between any two folds, and so do the folds' totals. The same groups get the same
    folds in whatever order they come.
    Raises UserError when count is below 2 or above the largest stratum; a smaller stratum is allowed
    (see `small_strata`).
    """
    sizes = stratum_sizes(groups, task)
    refuse_fold_count(len(groups), count)
    strata = f"{len(sizes)} strata ({' x '.join(task.strata)})"
    if sizes.max() == 1:
        raise UserError(
            f"folds.count={count}: none of the {strata} has two groups ({len(groups)} in all), so no"
            " fold can validate a stratum that it also trains on; give more groups, or use"
            " folds.scheme=holdout or all"
        )
    if count > sizes.max():
        raise UserError(
            f"folds.count={count}: the largest of the {strata} has only {sizes.max()} groups"
            f" ({len(groups)} in all); set {sizes.max()} or less"
        )
    return deal(groups["group"], _stratum_of(groups, task), count, seed)


def refuse_fold_count(num_groups: int, count: int) -> None:
    """Raise UserError when so many groups cannot make so many folds."""
    if count < 2:
        raise UserError(f"folds.count={count}: the minimum is two folds; set 2 or more")
    # Before the general refusal, whose advice would be to set 1 or less.
    if num_groups == 1:
        raise UserError(
            f"folds.count={count}: there is only one group, which cannot be cross-validated; give"
            " more groups, or train on all images with folds.scheme=all"
        )
    if count > num_groups:
        raise UserError(
            f"folds.count={count}: there are only {num_groups} groups, and each fold needs one; set"
            f" {num_groups} or less"
        )


def assign_holdout(
    groups: pd.DataFrame, task: Task, share: float, seed: int
) -> npt.NDArray[np.int16]:
    """Draw the groups to hold out once, without replacement, stratified on task.strata.

    groups: as for assign_folds. Returns int16 [number of groups]: 0 for those held out, -1 for the
    others. Of each stratum share * size groups are held out, rounded by
    largest remainder: rounding each stratum down would never hold out any group of a small one.
    """
    stratum, sizes = _stratum_of(groups, task), stratum_sizes(groups, task)
    wanted = np.floor(share * sizes).astype(np.int64)
    rest = round(share * len(groups)) - int(wanted.sum())
    for largest in np.argsort(-(share * sizes - wanted), kind="stable")[: max(0, rest)]:
        wanted[largest] += 1
    # By name first, so that the draw does not depend on the order of the rows.
    by_name = order_by_name(groups["group"])
    # Raw bits, as in deal.
    ticket = np.random.PCG64(seed).random_raw(len(groups))
    order = by_name[np.lexsort((ticket, stratum[by_name]))]
    folds = np.full(len(groups), -1, dtype=np.int16)
    for number, count in enumerate(wanted.tolist()):
        folds[order[stratum[order] == number][:count]] = 0
    return folds


def deal(names: "pd.Series[str]", strata: Int64, count: int, seed: int) -> npt.NDArray[np.int16]:
    """Deal names into folds whose sizes, in each stratum and in total, differ by at most one.

    names: unique; strata: int64 [N]. Returns int16 [N]; the order of names does not matter. Raises
    ValueError when a name occurs twice.
    """
    by_name = order_by_name(names)
    # Raw bits: NumPy guarantees that PCG64's bits stay the same in later versions, but not
    # the results of Generator's methods, and the folds are part of every result.
    bits = np.random.PCG64(seed)
    ticket = bits.random_raw(len(names))
    fold_in_turn = np.argsort(bits.random_raw(count), kind="stable")

    # Stratum after stratum, as cards are dealt around a table: the groups of a stratum are consecutive,
    # so that each fold gets the same number of them, plus or minus one; so does the total.
    order = by_name[np.lexsort((ticket, strata[by_name]))]
    folds = np.empty(len(names), dtype=np.int16)
    folds[order] = fold_in_turn[np.arange(len(names)) % count]
    return folds


def stratum_sizes(groups: pd.DataFrame, task: Task) -> Int64:
    """Groups of each stratum, int64; also of those without any."""
    num = int(np.prod([len(task.part(name).values) for name in task.strata]))
    return np.bincount(_stratum_of(groups, task), minlength=num).astype(np.int64)


def fold_table(
    groups: pd.DataFrame, task: Task, folds: npt.ArrayLike, repeat: int = 0
) -> pd.DataFrame:
    """The folds as written to disk.

    Returns group, the name of each stratum's value ("male", "<30") under its part's name, repeat, fold
    (both int16; fold is -1 for groups that no fold holds out), in the order of groups.
    """
    columns = {"group": pd.Series(groups["group"].array, dtype="str")}
    for name in task.strata:
        # Names instead of codes: folds.parquet is also read by people.
        values = np.array(task.part(name).values, dtype=object)
        columns[name] = pd.Series(values[groups[name].to_numpy(np.int64)], dtype="str")
    numbers = {
        "repeat": np.full(len(groups), repeat, dtype=np.int16),
        "fold": np.asarray(folds, dtype=np.int16),
    }
    return pd.DataFrame(columns | numbers)


def _stratum_of(groups: pd.DataFrame, task: Task) -> Int64:
    return task.stratum_of({name: groups[name].to_numpy() for name in task.strata})
