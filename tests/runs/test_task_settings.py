"""Settings held against the task: folds.scheme=auto is decided, what does not fit is refused."""

from collections.abc import Sequence

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.data.table import Table
from maskcls.data.task_file import built_in_text, parse_task
from maskcls.runs.task_settings import note_on_folds, settled
from tests.folds.tables import table_of
from tests.tasks import FRUIT, MASK, SKIN

ROWS = [("a", 0), ("b", 1), ("c", 0), ("d", 1)]


def data_of(task: Task, fold: Sequence[int] | None = None) -> Table:
    """Four groups of an image each."""
    made = table_of(task, ROWS, fold)
    return Table(task, made.images, made.groups, None, ())


def settled_for(task: Task, *sets: str, fold: Sequence[int] | None = None) -> Config:
    return settled(resolve("smoke", sets=sets), data_of(task, fold))


def refusals(task: Task, *sets: str, fold: Sequence[int] | None = None) -> list[str]:
    with pytest.raises(UserError) as raised:
        settled_for(task, *sets, fold=fold)
    return str(raised.value).split("\n")


# ---- folds.scheme --------------------------------------------------------------------------------


def test_auto_is_kfold_where_the_data_names_no_folds() -> None:
    found = settled_for(SKIN, "folds.count=3").folds
    assert (found.scheme, found.count) == ("kfold", 3)


@pytest.mark.parametrize("sets", [(), ("folds.scheme=given",)], ids=["auto", "given"])
def test_folds_that_the_data_names_are_taken_with_their_number(sets: tuple[str, ...]) -> None:
    found = settled_for(SKIN, *sets, fold=[0, 1, 2, 2])
    assert (found.folds.scheme, found.folds.count) == ("given", 3)
    held_out_once = settled_for(SKIN, *sets, fold=[-1, -1, 0, -1])
    assert (held_out_once.folds.count, held_out_once.folds.total) == (1, 1)


@pytest.mark.parametrize("scheme", ["kfold", "holdout", "image", "all"])
def test_a_scheme_that_was_set_stays(scheme: str) -> None:
    asked = resolve("smoke", sets=[f"folds.scheme={scheme}"])
    for fold in (None, [0, 1, 0, 1]):
        assert settled(asked, data_of(SKIN, fold)) == asked


def test_given_without_folds_is_refused_with_both_ways_to_give_them() -> None:
    assert refusals(SKIN, "folds.scheme=given") == [
        "folds.scheme=given: the data names no folds; add a column fold to the table, or a folder val"
        " beside train."
    ]


def test_a_number_of_folds_that_the_given_ones_replace_is_told() -> None:
    table = data_of(SKIN, [0, 1, 0, 1])
    asked = resolve("smoke", sets=["folds.count=3"])
    assert note_on_folds(asked, settled(asked, table)) == (
        "folds.count=3 has no effect: the data names 2 folds; to draw others, set folds.scheme=kfold"
    )
    for sets in (["folds.count=5"], ["folds.count=2"], ["folds.count=3", "folds.scheme=kfold"]):
        asked = resolve("smoke", sets=sets)
        assert note_on_folds(asked, settled(asked, table)) is None


# ---- settings of the mask task -------------------------------------------------------------------

OF_MASK = {
    "rows.age_border": ["rows.age_border=58"],
    "rows.drop_ages": ["rows.drop_ages=27-29"],
    "rows.mask_images": ["rows.mask_images=2"],
    "rows.corrections": ["rows.corrections=published"],
    "head.name=separate": ["head.name=separate"],
    "augment.mixup.partner=old": ["augment.name=mixup", "augment.mixup.partner=old"],
    "augment.half_face.partner=old": ["augment.name=half_face", "augment.half_face.partner=old"],
}


@pytest.mark.parametrize("name", OF_MASK)
def test_settings_of_the_mask_task_are_refused_for_another(name: str) -> None:
    assert refusals(SKIN, *OF_MASK[name]) == [
        f"{name}: belongs to the task mask, and this is another one; leave it out."
    ]
    settled_for(MASK, *OF_MASK[name])


LEAF = Task("leaf", (Part("kind", ("oak", "elm")), Part("age", ("young", "old"))))


@pytest.mark.parametrize("name", ["head.mask_weight=2", "head.gender_weight=.5", "head.age=coral"])
def test_settings_of_branches_that_the_task_lacks_are_refused(name: str) -> None:
    assert refusals(LEAF, "head.name=branches", name) == [
        f"{name.partition('=')[0]}: belongs to the task mask, and this is another one; leave it out."
    ]
    settled_for(LEAF, "head.name=branches", "head.merge=hard", "head.age_weight=2")
    settled_for(MASK, "head.name=branches", name)


def test_all_that_does_not_fit_is_said_at_once() -> None:
    found = refusals(FRUIT, "rows.drop_ages=27", "head.name=branches", "folds.scheme=given")
    assert [line.partition(":")[0] for line in found] == [
        "rows.drop_ages", "head.name=branches", "folds.scheme=given",
    ]  # fmt: skip


def with_borders(borders: str) -> Task:
    """The mask task with other age groups, as somebody edits its file."""
    text = built_in_text("mask")
    assert "borders = [30, 60]" in text
    edited = text.replace("borders = [30, 60]", f"borders = {borders}")
    return parse_task(edited.encode(), "task.toml").task()


@pytest.mark.parametrize(
    ("borders", "lowest", "highest"), [("[30, 60]", 31, 60), ("[25, 40]", 26, 40)]
)
def test_the_age_border_is_within_the_tasks_last_two(
    borders: str, lowest: int, highest: int
) -> None:
    task = with_borders(borders)
    for border in (lowest, highest):
        found = settled_for(task, f"rows.age_border={border}")
        assert found.rows.age_border == border
    for border in (lowest - 1, highest + 1):
        assert refusals(task, f"rows.age_border={border}") == [
            f"rows.age_border={border}: it moves the task's last border, {highest}, down; give a number"
            f" from {lowest} to {highest}."
        ]


# ---- settings that need parts or classes ---------------------------------------------------------


def test_branches_need_several_parts() -> None:
    assert refusals(FRUIT, "head.name=branches") == [
        "head.name=branches: needs a label of several parts, and this one has one part; use"
        " head.name=single."
    ]
    settled_for(MASK, "head.name=branches")


@pytest.mark.parametrize(
    ("task", "known", "unknown", "choices"),
    [
        (FRUIT, "cherry:2", "60+:2", "a class from 0 to 3 nor one of apple, banana, cherry, date"),
        (FRUIT, "3:2", "4:2", "a class from 0 to 3 nor one of apple, banana, cherry, date"),
        (MASK, "60+:2", "cherry:2", "a class from 0 to 17 nor one of worn, incorrect, not worn,"),
    ],
)
def test_what_is_copied_is_a_class_or_a_value_of_the_task(
    task: Task, known: str, unknown: str, choices: str
) -> None:
    settled_for(task, f"rows.oversample={known}")
    (found,) = refusals(task, f"rows.oversample={unknown}")
    assert found.startswith(f"rows.oversample: {unknown.partition(':')[0]} is neither {choices}")
