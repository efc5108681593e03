"""Settings held against the task and its data: what is open is decided, what does not fit refused."""

from dataclasses import replace

from maskcls.augment.partners import partners_asked
from maskcls.config.schema import Config, Folds, Head
from maskcls.core.errors import UserError
from maskcls.core.task import Task
from maskcls.data.table import Table
from maskcls.folds.given import given_numbers
from maskcls.sampling.training_rows import factor_of_class


def settled(config: Config, table: Table) -> Config:
    """The settings as the run has them: folds.scheme=auto is decided by the data.

    Raises UserError with a sentence for each setting that does not fit the task.
    """
    faults = _of_mask_only(config, table.task) + _of_parts(config, table.task)
    scheme = config.folds.scheme
    has_folds = "fold" in table.images.columns
    if scheme == "given" and not has_folds:
        faults.append(
            "folds.scheme=given: the data names no folds; add a column fold to the table, or a folder"
            " val beside train."
        )
    if faults:
        raise UserError("\n".join(faults))
    if scheme not in ("auto", "given"):
        return config
    if not has_folds:
        return replace(config, folds=replace(config.folds, scheme="kfold"))
    # At least one: where no image has a fold, folds/given.py says so.
    count = max(1, len(given_numbers(table.images)))
    return replace(config, folds=replace(config.folds, scheme="given", count=count))


def note_on_folds(asked: Config, found: Config) -> str | None:
    """What to say where the data's own folds replace a number that was asked for; found: `settled`."""
    given, count = found.folds.count, asked.folds.count
    if found.folds.scheme != "given" or count in (given, Folds().count):
        return None
    return (
        f"folds.count={count} has no effect: the data names {given} folds; to draw others, set"
        " folds.scheme=kfold"
    )


def _of_mask_only(config: Config, task: Task) -> list[str]:
    """Settings about people, ages and masks, where the task has none."""
    if task.is_mask:
        return _border(config, task)
    rows = config.rows
    asked = {
        "rows.age_border": rows.age_border != "auto",
        "rows.drop_ages": bool(rows.drop_ages.ranges),
        "rows.mask_images": rows.mask_images != type(rows)().mask_images,
        "rows.corrections": rows.corrections != "none",
        "head.name=separate": config.head.name == "separate",
    }
    asked |= _of_branches(config.head, task)
    asked |= {
        f"augment.{name}.partner=old": partner == "old"
        for name, partner in partners_asked(config.augment).items()
    }
    return [
        f"{name}: belongs to the task mask, and this is another one; leave it out."
        for name, is_set in asked.items()
        if is_set
    ]


def _of_branches(head: Head, task: Task) -> dict[str, bool]:
    """Settings of branches that the task does not have, by name, and whether they are set."""
    if head.name != "branches":  # a preset may set them in advance
        return {}
    asked, known = Head(), {part.name for part in task.parts}
    weights = {
        "mask": head.mask_weight != asked.mask_weight,
        "gender": head.gender_weight != asked.gender_weight,
        "age": head.age_weight != asked.age_weight,
    }
    found = {f"head.{part}_weight": is_set for part, is_set in weights.items() if part not in known}
    return found | {"head.age": head.age != asked.age and task.numbered is None}


def _border(config: Config, task: Task) -> list[str]:
    border, borders = config.rows.age_border, task.part("age").borders
    lowest = borders[-2] if len(borders) > 1 else 0
    if border == "auto" or lowest < border <= borders[-1]:
        return []
    return [
        f"rows.age_border={border}: it moves the task's last border, {borders[-1]}, down; give a number"
        f" from {lowest + 1} to {borders[-1]}."
    ]


def _of_parts(config: Config, task: Task) -> list[str]:
    faults = []
    if config.head.name == "branches" and len(task.parts) == 1:
        faults.append(
            "head.name=branches: needs a label of several parts, and this one has one part; use"
            " head.name=single."
        )
    try:
        factor_of_class(config.rows.oversample, task)
    except ValueError as e:
        faults.append(f"{e}.")
    return faults
