"""Partners of a mix: which rows they are, and that an epoch looks for them once."""

from dataclasses import replace

import numpy as np
import pytest

from maskcls.augment import draws, partners
from maskcls.augment.base import Context
from maskcls.augment.pipeline import EpochAugmenter, Pipeline
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.core.task import Task
from tests.tasks import FRUIT, MASK

NUMBERS = (3, 1, 2)
CLASSES = np.random.default_rng(1).integers(0, 18, 400)
ROWS = np.random.default_rng(2).permutation(400)[:300]


def epoch_of(partner: str, classes: np.ndarray = CLASSES) -> EpochAugmenter:
    sets = ["augment.name=cutmix", f"augment.cutmix.partner={partner}"]
    pipeline = Pipeline(resolve("smoke", sets=sets).augment, Context((0.0, 0.0, 0.0)))
    return pipeline.begin_epoch(NUMBERS, classes, ROWS, MASK)


def partners_of(epoch: EpochAugmenter, rows: np.ndarray) -> np.ndarray:
    found = epoch.partners(rows, np.zeros(len(rows), np.int64))
    assert found is not None
    return found


def expected(partner: str) -> np.ndarray:
    """Each row's partner, one row after the other."""
    draw = draws.table("cutmix.partner", len(CLASSES), 1, *NUMBERS)[:, 0]
    found = []
    for row in ROWS:
        pool = [
            other
            for other in sorted(ROWS.tolist())
            if partner == "all"
            or (partner == "old" and CLASSES[other] % 3 == 2)
            or (partner == "same_class" and CLASSES[other] == CLASSES[row])
        ]
        found.append(pool[int(draw[row] * len(pool))])
    return np.array(found)


@pytest.mark.parametrize("partner", ["all", "old", "same_class"])
def test_partners_are_drawn_from_those_that_fit(partner: str) -> None:
    epoch = epoch_of(partner)
    in_batches = np.concatenate([partners_of(epoch, rows) for rows in np.array_split(ROWS, 40)])
    assert in_batches.tolist() == expected(partner).tolist()
    assert in_batches.tolist() == partners_of(epoch_of(partner), ROWS).tolist()


@pytest.mark.parametrize("partner", ["all", "old", "same_class"])
def test_an_epoch_looks_over_all_rows_once(monkeypatch: pytest.MonkeyPatch, partner: str) -> None:
    made: list[str] = []
    pool = partners.pool_of

    def noted(
        name: str, kind: str, classes: np.ndarray, rows: np.ndarray, task: Task
    ) -> np.ndarray:
        made.append(kind)
        return pool(name, kind, classes, rows, task)

    sorts: list[int] = []
    argsort = np.argsort

    def counted(values: np.ndarray, **options: str) -> np.ndarray:
        sorts.append(len(values))
        return argsort(values, **options)

    monkeypatch.setattr(partners, "pool_of", noted)
    monkeypatch.setattr(np, "argsort", counted)
    epoch = epoch_of(partner)
    for rows in np.array_split(ROWS, 40):
        partners_of(epoch, rows)
    assert made == [partner]
    assert sorts == ([len(ROWS)] if partner == "same_class" else [])


def test_no_image_of_the_last_age_group_is_one_sentence() -> None:
    epoch = epoch_of("old", np.zeros(400, np.int64))
    with pytest.raises(UserError, match=r"^augment\.cutmix\.partner=old: no training image is of"):
        partners_of(epoch, ROWS)


@pytest.mark.parametrize("partner", ["all", "same_class"])
def test_the_classes_of_another_task_are_partners_as_well(partner: str) -> None:
    classes = CLASSES % 4
    settings = resolve(
        "smoke", sets=["augment.name=cutmix", f"augment.cutmix.partner={partner}"]
    ).augment
    pipeline = Pipeline(settings, Context((0.0, 0.0, 0.0)))
    found = partners_of(pipeline.begin_epoch(NUMBERS, classes, ROWS, FRUIT), ROWS)
    assert set(found) <= set(ROWS)
    same = classes[found] == classes[ROWS]
    assert same.all() if partner == "same_class" else 0.1 < same.mean() < 0.5


def test_the_last_group_is_that_of_the_tasks_own_numbers() -> None:
    # Four age groups: 3, 7, 11, ... are the last ones, and no longer every third class.
    age = replace(MASK.part("age"), values=("a", "b", "c", "d"), borders=(20, 30, 40))
    task = replace(MASK, parts=(*MASK.parts[:2], age))
    pool = partners.pool_of("cutmix", "old", np.arange(24), np.arange(24), task)
    assert pool.tolist() == [3, 7, 11, 15, 19, 23]
