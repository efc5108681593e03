"""The members of an ensemble: their logits part by part, weights, and runs of another task."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.evaluation.members import eval_parts, fold_weights, read_members
from maskcls.store import tables
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.tasks import FRUIT, MASK

TWO = ["folds.count=2"]
IDS = [f"{k}.jpg" for k in range(7)]
GROUPS = list("abacbab")


def logits(seed: int, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, 7, classes)).astype(np.float32)


def made(folder: Path, seed: int, task: Task = FRUIT, groups: bool = True) -> Run:
    values = logits(seed, task.num_classes)
    return Run(write_run(folder, IDS, values, TWO, task=task, groups=GROUPS if groups else None))


def test_images_groups_and_logits_come_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [made(tmp_path / "a", 1), made(tmp_path / "b", 2)]
    monkeypatch.setattr(tables, "_GROUP_ROWS", 3)
    parts = list(eval_parts(read_members(runs, False), with_groups=True))
    assert [len(part.images) for part in parts] == [3, 3, 1]
    assert [name for part in parts for name in part.images] == IDS
    assert [name for part in parts for name in part.groups or []] == GROUPS
    found = np.concatenate([part.logits for part in parts], axis=1)
    assert found.tolist() == np.concatenate([logits(1), logits(2)]).tolist()
    assert {part.groups for part in eval_parts(read_members(runs, False))} == {None}


def test_a_run_without_groups_says_how_to_name_them(tmp_path: Path) -> None:
    run = made(tmp_path / "a", 1, groups=False)
    with pytest.raises(UserError, match=r'--by-group.*task\.toml, such as \[eval\] group = "pat'):
        next(eval_parts(read_members([run], False), with_groups=True))


def test_a_run_of_another_task_is_refused(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 1)
    other = replace(FRUIT, parts=(Part("label", ("apple", "plum", "cherry", "date")),))
    with pytest.raises(UserError, match=r"/b: another task than .*its classes are apple, plum"):
        read_members([first, made(tmp_path / "b", 2, other)], False)
    # Of the same names, but with another border.
    age = replace(MASK.parts[2], borders=(25, 60))
    edited = replace(MASK, parts=(*MASK.parts[:2], age))
    runs = [made(tmp_path / "c", 3, MASK), made(tmp_path / "d", 4, edited)]
    with pytest.raises(UserError, match=r"another task than .*25, 60"):
        read_members(runs, False)
    # What ranks the epochs does not change what a logit means.
    ranked = made(tmp_path / "e", 5, replace(FRUIT, metric="log_loss", name="other"))
    assert len(read_members([first, ranked], False)) == 2


def test_a_runs_weight_is_divided_among_its_folds(tmp_path: Path) -> None:
    members = read_members([made(tmp_path / "a", 1), made(tmp_path / "b", 2)], False)
    found = fold_weights(members, [6, 1])
    assert found is not None
    assert found.tolist() == [3, 3, 0.5, 0.5]
    assert fold_weights(members, None) is None
