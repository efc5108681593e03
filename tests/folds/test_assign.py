"""Folds of groups with strata: balanced, the same in whatever order groups come."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.folds.assign import (
    assign_folds,
    assign_holdout,
    deal,
    fold_table,
)
from tests.tasks import FRUIT, MASK

few = settings(deadline=None, max_examples=30)


def people_of(groups: list[int]) -> pd.DataFrame:
    """One person, the group of the task mask, for each stratum 0..5 (3 * gender + age)."""
    return pd.DataFrame(
        {
            "group": pd.Series([f"p{number:04d}" for number in range(len(groups))], dtype="str"),
            "gender": np.array(groups, dtype=np.int8) // 3,
            "age": np.array(groups, dtype=np.int8) % 3,
        }
    )


@st.composite
def draws(draw: st.DrawFn) -> tuple[pd.DataFrame, int, int]:
    count = draw(st.integers(2, 7))
    groups = draw(st.lists(st.integers(0, 5), max_size=80))
    groups += [draw(st.integers(0, 5))] * count  # the largest group fills the folds
    return people_of(draw(st.permutations(groups))), count, draw(st.integers(0, 2**32))


@few
@given(draws())
def test_groups_and_totals_are_balanced_within_one(drawn: tuple[pd.DataFrame, int, int]) -> None:
    people, count, seed = drawn
    folds = assign_folds(people, MASK, count, seed)
    assert folds.dtype == np.int16
    assert folds.shape == (len(people),)
    group = 3 * people["gender"].to_numpy() + people["age"].to_numpy()
    for rows in (np.ones(len(people), bool), *(group == number for number in range(6))):
        sizes = np.bincount(folds[rows], minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1


@few
@given(draws(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(
    drawn: tuple[pd.DataFrame, int, int], random: object
) -> None:
    people, count, seed = drawn
    order = list(range(len(people)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = people.iloc[order]
    assert list(assign_folds(shuffled, MASK, count, seed)) == list(
        assign_folds(people, MASK, count, seed)[order]
    )


def test_seeds_draw_different_folds_and_repeat_themselves() -> None:
    people = people_of([0, 1, 2, 3, 4, 5] * 10)
    drawn = [tuple(assign_folds(people, MASK, 5, seed)) for seed in range(20)]
    assert len(set(drawn)) == 20
    assert drawn[3] == tuple(assign_folds(people, MASK, 5, 3))


def test_folds_do_not_change_between_versions() -> None:
    # Written down once; PCG64's stream is promised by NumPy. A change here changes every run.
    people = people_of([0] * 6 + [4] * 5)
    assert assign_folds(people, MASK, 3, 7).tolist() == [2, 2, 1, 1, 0, 0, 1, 0, 1, 2, 0]


def test_the_mask_tasks_folds_are_those_of_before_there_were_tasks() -> None:
    # Drawn by the code of commit 7783d9b, for names in composed and decomposed letters.
    groups = sixty()
    drawn = "".join(map(str, assign_folds(groups, MASK, 5, 11)))
    assert drawn == "330200340102203304213024430111341222134412141241203343404021"
    held_out = "".join("0" if fold == 0 else "-" for fold in assign_holdout(groups, MASK, 0.3, 11))
    assert held_out == "0---00-----0--00-00------0--------0---0--0---0--00000-------"
    images = "".join(map(str, deal(groups["group"], np.arange(60) % 18, 3, 4)))
    assert images == "021121222021112101122002101200220212010011010112001020201220"


def sixty() -> pd.DataFrame:
    """Sixty groups of fixed names, and some of each stratum."""
    number = np.arange(60)
    names = [f"{i * 7919 % 1000:06d}_{'가é'[i % 2]}" for i in range(60)]
    return pd.DataFrame(
        {
            "group": pd.Series(names, dtype="str"),
            "gender": (number % 2).astype(np.int16),
            "age": (number // 7 % 3).astype(np.int16),
        }
    )


def test_strata_of_any_task() -> None:
    task = Task(
        "seeds",
        (Part("kind", ("a", "b")), Part("site", ("x", "y", "z")), Part("year", ("1", "2"))),
        strata=("site",),
    )
    groups = pd.DataFrame(
        {
            "group": pd.Series([f"g{i:02d}" for i in range(30)], dtype="str"),
            "site": np.arange(30, dtype=np.int16) // 10,
        }
    )
    folds = assign_folds(groups, task, 5, 0)
    assert pd.crosstab(groups["site"], folds).to_numpy().tolist() == [[2] * 5] * 3
    table = fold_table(groups, task, folds)
    assert list(table.columns) == ["group", "site", "repeat", "fold"]
    assert table["site"].tolist() == ["x"] * 10 + ["y"] * 10 + ["z"] * 10
    with pytest.raises(UserError, match=r"largest of the 3 strata \(site\) has only 10 groups"):
        assign_folds(groups, task, 11, 0)


def test_a_task_without_strata_writes_group_repeat_and_fold() -> None:
    table = fold_table(people_of([0, 1]).iloc[::-1], FRUIT, [3, -1], 1)
    assert list(table.columns) == ["group", "repeat", "fold"]
    assert table.to_numpy().tolist() == [["p0001", 1, 3], ["p0000", 1, -1]]


def test_every_person_is_equally_likely_in_every_fold() -> None:
    people = people_of([0] * 3)
    folds = np.array([assign_folds(people, MASK, 2, seed) for seed in range(900)])
    # Three people on two folds: which fold gets two is drawn too, so p = 1/2 for each. 900 draws
    # have a standard deviation of 15, 75 is five of them; always two in fold 0 would be 150 off.
    assert np.abs(folds.sum(axis=0) - 450).max() < 75


@pytest.mark.parametrize("count", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(count: int) -> None:
    with pytest.raises(UserError, match=rf"folds.count={count}"):
        assign_folds(people_of([0] * 9), MASK, count, 0)


def test_more_folds_than_the_largest_stratum_are_refused_with_figures() -> None:
    people = people_of([0] * 4 + [5] * 3)
    with pytest.raises(UserError, match=r"folds\.count=5: .* only 4 groups \(7 in all\)"):
        assign_folds(people, MASK, 5, 0)
    assert len(set(assign_folds(people, MASK, 4, 0))) == 4


def test_one_person_cannot_be_cross_validated() -> None:
    with pytest.raises(UserError) as raised:
        assign_folds(people_of([3]), MASK, 2, 0)
    assert str(raised.value) == (
        "folds.count=2: there is only one group, which cannot be cross-validated; give more groups, or"
        " train on all images with folds.scheme=all"
    )


def test_strata_of_one_group_each_cannot_be_stratified() -> None:
    with pytest.raises(
        UserError, match=r"^folds\.count=2: none of the 6 strata \(gender x age\) .* \(3 in all\)"
    ) as raised:
        assign_folds(people_of([0, 1, 5]), MASK, 2, 0)
    assert "set 2 or less" not in str(raised.value)


def test_person_twice_is_refused() -> None:
    people = pd.concat([people_of([0] * 3)] * 2)
    with pytest.raises(ValueError, match="twice"):
        assign_folds(people, MASK, 2, 0)


def test_fold_table_is_in_words() -> None:
    table = fold_table(people_of([0, 4, 5]), MASK, np.array([1, 0, -1], dtype=np.int16), repeat=2)
    assert list(table.columns) == ["group", "gender", "age", "repeat", "fold"]
    assert table.to_numpy().tolist() == [
        ["p0000", "male", "<30", 2, 1],
        ["p0001", "female", "30-59", 2, 0],
        ["p0002", "female", "60+", 2, -1],
    ]
    assert [str(dtype) for dtype in table.dtypes[3:]] == ["int16", "int16"]
    assert fold_table(people_of([0]), MASK, [0])["repeat"].tolist() == [0]


# ---- holdout -------------------------------------------------------------------------------------

shares = st.floats(0.01, 0.99)
some_people = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(people_of)


def group_of(people: pd.DataFrame) -> np.ndarray:
    groups: np.ndarray = 3 * people["gender"].to_numpy() + people["age"].to_numpy()
    return groups


@few
@given(some_people, shares, st.integers(0, 2**32))
def test_the_share_is_exact_and_each_group_within_one(
    people: pd.DataFrame, share: float, seed: int
) -> None:
    folds = assign_holdout(people, MASK, share, seed)
    assert folds.dtype == np.int16
    assert set(folds) <= {0, -1}
    assert abs((folds == 0).sum() - share * len(people)) <= 0.5
    for number in range(6):
        mine = group_of(people) == number
        assert abs((folds[mine] == 0).sum() - share * mine.sum()) < 1


@few
@given(some_people, shares, st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_whom_holdout_holds_out_does_not_depend_on_the_order_of_people(
    people: pd.DataFrame, share: float, seed: int, random: object
) -> None:
    order = list(range(len(people)))
    random.shuffle(order)  # type: ignore[attr-defined]
    folds = assign_holdout(people, MASK, share, seed)
    assert assign_holdout(people.iloc[order], MASK, share, seed).tolist() == folds[order].tolist()


def test_holdout_of_the_competitions_people() -> None:
    # Published counts: men 549, 410, 83, women 732, 817, 109. A fifth is 109.8, 82, 16.6, 146.4,
    # 163.4, 21.8: rounded down 537 of 540, so the three largest fractions (.8, .8, .6) are rounded up.
    people = people_of([g for g, n in enumerate((549, 410, 83, 732, 817, 109)) for _ in range(n)])
    held_out = group_of(people)[assign_holdout(people, MASK, 0.2, 0) == 0]
    assert np.bincount(held_out, minlength=6).tolist() == [110, 82, 17, 146, 163, 22]


def test_holdout_seeds_differ_and_repeat_themselves() -> None:
    people = people_of([0, 1, 2, 3, 4, 5] * 10)
    drawn = [tuple(assign_holdout(people, MASK, 0.3, seed)) for seed in range(20)]
    assert len(set(drawn)) == 20
    assert drawn[3] == tuple(assign_holdout(people, MASK, 0.3, 3))


def test_every_person_is_equally_likely_to_be_held_out() -> None:
    folds = np.array([assign_holdout(people_of([2] * 10), MASK, 0.2, seed) for seed in range(900)])
    # 180 times each, standard deviation 12; 60 is five of them.
    assert np.abs((folds == 0).sum(axis=0) - 180).max() < 60


def test_holdout_does_not_change_between_versions() -> None:
    people = people_of([0] * 6 + [4] * 5)
    assert assign_holdout(people, MASK, 0.4, 7).tolist() == [-1, -1, -1, 0, 0, -1, 0, -1, -1, -1, 0]


def test_groups_too_small_for_their_share_make_up_the_total_together() -> None:
    people = people_of([0, 1, 2, 3, 4, 5])
    for seed in range(10):
        assert (assign_holdout(people, MASK, 0.5, seed) == 0).sum() == 3


# ---- images --------------------------------------------------------------------------------------


@few
@given(
    st.lists(st.integers(0, 17), min_size=1, max_size=100),
    st.integers(2, 7),
    st.integers(0, 2**32),
    st.randoms(use_true_random=False),
)
def test_images_are_dealt_evenly_by_class_whatever_their_order(
    classes: list[int], count: int, seed: int, random: object
) -> None:
    names = pd.Series([f"가{number:03d}/mask1.jpg" for number in range(len(classes))], dtype="str")
    groups = np.array(classes, np.int64)
    folds = deal(names, groups, count, seed)
    for rows in (np.ones(len(groups), bool), *(groups == k for k in set(classes))):
        sizes = np.bincount(folds[rows], minlength=count)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1
    order = list(range(len(classes)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = deal(names.iloc[order], groups[order], count, seed)
    assert shuffled.tolist() == folds[order].tolist()


def test_composed_and_decomposed_names_are_one() -> None:
    from unicodedata import normalize

    names = [f"{text}/normal.jpg" for text in ("가나", "é", "b", "a", "하")]
    found = [
        deal(pd.Series([normalize(form, n) for n in names]), np.zeros(5, np.int64), 2, 1).tolist()
        for form in ("NFC", "NFD")
    ]
    assert found[0] == found[1]
    double = pd.Series([normalize(form, "가") for form in ("NFC", "NFD")])
    with pytest.raises(ValueError, match="a name occurs twice"):
        deal(double, np.zeros(2, np.int64), 2, 0)
