"""Folds of people, stratified on gender x age group.

All images of a person are in one fold: with the same face and clothes in training and validation, the
score would not measure performance on new people.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.labels import AGE_GROUPS, GENDERS
from maskcls.core.names import nfc

_NUM_GROUPS = len(GENDERS) * len(AGE_GROUPS)


def assign_folds(people: pd.DataFrame, count: int, seed: int) -> npt.NDArray[np.int16]:
    """Draw a fold for each person.

    people: columns person (unique), gender (0, 1), age_group (0, 1, 2), in any order.
    count: number of folds, 2 or more; seed: 0 or more.
    Returns int16 [number of people] in 0..count-1, aligned to the rows given. Each of the six
    groups differs by at most one person between any two folds, and so do the folds' totals. The
    same people get the same folds in whatever order they come.
    Raises UserError when count is below 2 or above the largest group; a smaller group is allowed
    (see `small_groups`).
    """
    if count < 2:
        raise UserError(f"folds.count={count}: the minimum is two folds; set 2 or more")
    sizes = _group_sizes(people)
    # Before the general refusal, whose advice would be to set 1 or less.
    if len(people) == 1:
        raise UserError(
            f"folds.count={count}: there is only one person, and one group cannot be cross-validated;"
            " give more people, or train on all of them with folds.scheme=all"
        )
    if sizes.max() == 1:
        raise UserError(
            f"folds.count={count}: none of the six gender x age groups has two people"
            f" ({len(people)} in all), so no fold can validate a group that it also trains on; give"
            " more people, or use folds.scheme=holdout or all"
        )
    if count > sizes.max():
        raise UserError(
            f"folds.count={count}: the largest of the six gender x age groups has only "
            f"{sizes.max()} people ({len(people)} in all); set {sizes.max()} or less"
        )
    return deal(people["person"], _group_of(people), count, seed)


def assign_holdout(people: pd.DataFrame, share: float, seed: int) -> npt.NDArray[np.int16]:
    """Draw the people to hold out once, without replacement, stratified on gender x age group.

    people: as for assign_folds. Returns int16 [number of people]: 0 for those held out, -1 for the
    others. Of each group share * size people are held out, rounded by
    largest remainder: rounding each group down would never hold out anyone of a small one.
    """
    person = np.array([nfc(name) for name in people["person"]], dtype=object)
    group = _group_of(people)
    sizes = np.bincount(group, minlength=_NUM_GROUPS)
    wanted = np.floor(share * sizes).astype(np.int64)
    rest = round(share * len(people)) - int(wanted.sum())
    for largest in np.argsort(-(share * sizes - wanted), kind="stable")[: max(0, rest)]:
        wanted[largest] += 1
    # By name first, so that the draw does not depend on the order of the rows.
    by_name = np.argsort(person)
    # Raw bits, as in deal.
    ticket = np.random.PCG64(seed).random_raw(len(person))
    order = by_name[np.lexsort((ticket, group[by_name]))]
    folds = np.full(len(person), -1, dtype=np.int16)
    for number, count in enumerate(wanted.tolist()):
        folds[order[group[order] == number][:count]] = 0
    return folds


def deal(
    names: "pd.Series[str]", groups: npt.NDArray[np.int64], count: int, seed: int
) -> npt.NDArray[np.int16]:
    """Deal names into folds whose sizes, in each group and in total, differ by at most one.

    names: unique; groups: int64 [N]. Returns int16 [N]; the order of names does not matter.
    """
    person = np.array([nfc(name) for name in names], dtype=object)
    if len(set(person)) < len(person):
        raise ValueError("a name occurs twice")
    by_name = np.argsort(person)
    # Raw bits: NumPy guarantees that PCG64's bits stay the same in later versions, but not
    # the results of Generator's methods, and the folds are part of every result.
    bits = np.random.PCG64(seed)
    ticket = bits.random_raw(len(person))
    fold_in_turn = np.argsort(bits.random_raw(count), kind="stable")

    # Group after group, as cards are dealt around a table: the people of a group are consecutive, so
    # that each fold gets the same number of them, plus or minus one; so does the total.
    order = by_name[np.lexsort((ticket, groups[by_name]))]
    folds = np.empty(len(person), dtype=np.int16)
    folds[order] = fold_in_turn[np.arange(len(person)) % count]
    return folds


def small_groups(people: pd.DataFrame, count: int) -> list[str]:
    """A sentence for each gender x age group with fewer people than folds."""
    sentences = []
    for group, size in enumerate(_group_sizes(people)):
        if size < count:
            name = f"{GENDERS[group // 3]}, {AGE_GROUPS[group % 3]}"
            sentences.append(
                f"group {name}: {size} people for {count} folds, "
                f"so {count - size} folds have none of them in validation"
            )
    return sentences


def assert_no_person_on_two_sides(
    person_of_row: Any, fold_of_row: npt.ArrayLike, names: Sequence[str] | None = None
) -> None:
    """Raise RuntimeError when a person's rows lie in more than one fold.

    person_of_row: names or codes [N], a categorical too; fold_of_row: integers [N]. names: of the
    codes, for the message.
    """
    # Not an assert statement: python -O would remove it.
    folds = np.asarray(fold_of_row)
    code, persons = pd.factorize(person_of_row)
    if code.shape != folds.shape:
        raise ValueError(f"{len(code)} persons for {len(folds)} folds")
    # The last row of each person decides here; any other fold of the person differs from it.
    one_fold = np.zeros(len(persons), dtype=folds.dtype)
    one_fold[code] = folds
    wrong = np.flatnonzero(one_fold[code] != folds)
    if len(wrong):
        row = wrong[0]
        person = persons[code[row]] if names is None else names[persons[code[row]]]
        raise RuntimeError(
            f"person {person} is on two sides: folds {one_fold[code[row]]} "
            f"and {folds[row]} (row {row}); this is a bug, do not trust the scores"
        )


def fold_table(people: pd.DataFrame, folds: npt.ArrayLike, repeat: int = 0) -> pd.DataFrame:
    """The folds as written to disk.

    Returns person, gender ("male", "female"), age_group ("<30", "30-59", "60+"), repeat, fold (both
    int16; fold is -1 for people whom no fold holds out), in the order of people.
    """
    # Names instead of codes: folds.parquet is also read by people.
    return pd.DataFrame(
        {
            "person": pd.Series(list(people["person"]), dtype="str"),
            "gender": pd.Series([GENDERS[code] for code in people["gender"]], dtype="str"),
            "age_group": pd.Series([AGE_GROUPS[code] for code in people["age_group"]], dtype="str"),
            "repeat": np.full(len(people), repeat, dtype=np.int16),
            "fold": np.asarray(folds, dtype=np.int16),
        }
    )


def _group_of(people: pd.DataFrame) -> npt.NDArray[np.int64]:
    """3 * gender + age_group, 0..5."""
    gender, age_group = (people[name].to_numpy(np.int64) for name in ("gender", "age_group"))
    return np.asarray(len(AGE_GROUPS) * gender + age_group, dtype=np.int64)


def _group_sizes(people: pd.DataFrame) -> npt.NDArray[np.int64]:
    sizes: npt.NDArray[np.int64] = np.bincount(_group_of(people), minlength=_NUM_GROUPS)
    return sizes
