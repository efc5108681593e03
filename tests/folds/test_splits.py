"""The split that goes into the run's folder."""

import numpy as np
import pandas as pd
import pytest

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.folds.assign import assign_folds, assign_holdout
from maskcls.folds.splits import draw_splits
from tests.folds.tables import MadeUp, each_its_own, forty_patients, table_of, twelve_people
from tests.tasks import FRUIT, MASK, SKIN


@pytest.fixture(scope="module")
def people() -> MadeUp:
    """Of the task mask: twelve people of all genders and age groups, seven images each."""
    return twelve_people()


@pytest.fixture(scope="module")
def patients() -> MadeUp:
    """Of a task without strata: forty patients of one to five images, a fifth of the images positive."""
    return forty_patients()


@pytest.mark.parametrize("scheme", ["kfold", "holdout", "image"])
@pytest.mark.parametrize("which", ["people", "patients"])
def test_repeat_0_is_the_run_without_repeats_and_each_has_its_own_seed(
    request: pytest.FixtureRequest, which: str, scheme: str
) -> None:
    table: MadeUp = request.getfixturevalue(which)
    settings = Folds(scheme=scheme, count=2, share=0.5, repeats=3, seed=4)  # type: ignore[arg-type]
    found = draw_splits(table, settings)
    for repeat in range(3):
        alone = Folds(scheme=scheme, count=2, share=0.5, seed=4 + repeat)  # type: ignore[arg-type]
        mine = found[found["repeat"] == repeat].reset_index(drop=True)
        expected = draw_splits(table, alone)
        assert expected["repeat"].eq(0).all()
        pd.testing.assert_frame_equal(
            mine.drop(columns="repeat"), expected.drop(columns="repeat"), check_dtype=True
        )
    splits = found.groupby("repeat")["fold"].apply(tuple)
    assert len(set(splits)) == 3


def test_kfold_of_named_strata_is_dealt_as_before_there_were_repeats(people: MadeUp) -> None:
    found = draw_splits(people, Folds(count=2, seed=5))
    assert list(found.columns) == ["group", "gender", "age", "repeat", "fold"]
    assert found["group"].tolist() == people.groups["group"].tolist()
    assert found["fold"].tolist() == assign_folds(people.groups, MASK, 2, 5).tolist()


def test_kfold_without_strata_is_even_over_classes(patients: MadeUp) -> None:
    found = draw_splits(patients, Folds(count=4))
    assert list(found.columns) == ["group", "repeat", "fold"]
    assert found["group"].is_unique
    fold = found["fold"].to_numpy()[patients.images["group"].cat.codes.to_numpy()]
    assert pd.crosstab(patients.images["label"], fold).to_numpy().tolist() == [[24] * 4, [6] * 4]


def test_each_image_is_a_group_where_none_is_named() -> None:
    table = each_its_own(FRUIT, [i // 30 for i in range(120)])
    found = draw_splits(table, Folds())
    assert found["group"].tolist() == table.images["path"].tolist()
    counts = pd.crosstab(table.images["label"].to_numpy(), found["fold"].to_numpy())
    assert counts.to_numpy().tolist() == [[6] * 5] * 4


def test_holdout_and_all(people: MadeUp, patients: MadeUp) -> None:
    found = draw_splits(people, Folds(scheme="holdout", share=0.25, seed=5))
    assert found["fold"].tolist() == assign_holdout(people.groups, MASK, 0.25, 5).tolist()
    assert (found["fold"] == 0).sum() == 3
    none = draw_splits(people, Folds(scheme="all"))
    assert none["fold"].eq(-1).all()
    assert len(none) == 12
    found = draw_splits(patients, Folds(scheme="holdout", share=0.25))
    fold = found["fold"].to_numpy()[patients.images["group"].cat.codes.to_numpy()]
    held_out = patients.images["label"].to_numpy()[fold == 0]
    assert np.bincount(held_out).tolist() == [24, 6]


def test_given_folds_are_those_of_the_images() -> None:
    rows, fold = [("a", 0), ("b", 1), ("c", 2), ("a", 3)], [2, 3, -1, 2]
    settings = Folds()
    object.__setattr__(settings, "scheme", "given")
    found = draw_splits(table_of(FRUIT, rows, fold), settings)
    assert found.to_numpy().tolist() == [["a", 0, 0], ["b", 0, 1], ["c", 0, -1]]
    assert found["fold"].dtype == np.int16


def test_image_folds_are_of_images_and_stratified_on_the_class(people: MadeUp) -> None:
    found = draw_splits(people, Folds(scheme="image", count=2))
    assert list(found.columns) == ["image", "group", "repeat", "fold"]
    assert found["image"].tolist() == people.images["path"].tolist()
    sizes = pd.crosstab(people.images["label"].to_numpy(), found["fold"].to_numpy())
    assert (sizes[0] - sizes[1]).abs().max() <= 1
    # That is what it is for: groups on both sides.
    assert found.groupby("group")["fold"].nunique().max() == 2


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_holdout_with_an_empty_side_is_refused(people: MadeUp, share: float) -> None:
    with pytest.raises(UserError, match=rf"^folds\.share={share}: of 12 groups it holds out \d+;"):
        draw_splits(people, Folds(scheme="holdout", share=share))


def test_a_holdout_of_the_only_group_is_refused() -> None:
    with pytest.raises(UserError, match=r"^folds\.share=0\.2: of 1 group it holds out 0;"):
        draw_splits(table_of(SKIN, [("a", 0), ("a", 1)]), Folds(scheme="holdout"))


def test_more_folds_than_groups_are_refused(people: MadeUp, patients: MadeUp) -> None:
    with pytest.raises(UserError, match=r"^folds\.count=12: "):
        draw_splits(people, Folds(count=12))
    with pytest.raises(UserError, match=r"^folds\.count=41: there are only 40 groups.*set 40 or"):
        draw_splits(patients, Folds(count=41))
    assert draw_splits(patients, Folds(count=40))["fold"].is_unique
    with pytest.raises(UserError, match=r"^folds\.count=5: there is only one group, which cannot"):
        draw_splits(table_of(SKIN, [("a", 0), ("a", 1)]), Folds())
