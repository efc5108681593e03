"""What a study remembers between starts: its changes and seeds grow, the rest must stay."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, UserError
from maskcls.core.plain import to_plain
from maskcls.core.task import Part, Task
from maskcls.store.folder import Folder
from maskcls.store.run import Network, Run
from maskcls.tuning.study_plan import Change
from maskcls.tuning.study_record import StudyRecord, is_study, read_study
from tests.tasks import FRUIT

FOCAL = Change("loss.name=focal", {}, {"loss.name": ["cross_entropy", "focal"]})
RATE = Change("optim.lr=0.1", {}, {"optim.lr": [0.001, 0.1]})


def start(
    root: Path, *changes: Change, seeds: tuple[int, ...] = (0,), sets: tuple[str, ...] = (),
    fingerprint: str = "images", task: Task = FRUIT, folds: tuple[int, int] = (0, 1),
) -> StudyRecord:  # fmt: skip
    """Another start of the command."""
    prepared: Any = SimpleNamespace(
        run=Run(Folder.at(root)),
        config=resolve("smoke", sets=sets),
        network=Network(1, (0.5,) * 3, (0.5,) * 3, False, {}),
        task=task,
        describe=lambda: {"fingerprint": fingerprint, "location": str(root)},
        folds=pd.DataFrame({"group": ["a", "b"], "fold": list(folds)}),
    )
    return StudyRecord(prepared, changes, list(seeds), ["maskcls", "study"])


def test_more_changes_and_seeds_are_added_to_what_is_there(tmp_path: Path) -> None:
    start(tmp_path, FOCAL, seeds=(0, 1))
    start(tmp_path, RATE, FOCAL, seeds=(2, 0))
    found = read_study(Folder.at(tmp_path))
    assert [one.text for one in found.changes] == ["loss.name=focal", "optim.lr=0.1"]
    assert found.changes[0].settings == FOCAL.settings
    assert found.seeds == [0, 1, 2]
    assert len(found.starts) == 2
    assert found.metric == "macro_f1"


def test_a_folder_is_a_study_from_its_first_start(tmp_path: Path) -> None:
    assert not is_study(Folder.at(tmp_path))
    start(tmp_path, FOCAL)
    assert is_study(Folder.at(tmp_path))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"sets": ("train.epochs=9",)}, "train.epochs: 2 there, 9 now"),
        ({"fingerprint": "others"}, "fingerprint: images there, others now"),
    ],
)
def test_another_base_or_other_data_are_refused(
    tmp_path: Path, other: dict[str, Any], says: str
) -> None:
    start(tmp_path, FOCAL, sets=("train.epochs=2",))
    with pytest.raises(UserError, match=f"this study was started differently .*{says}"):
        start(tmp_path, FOCAL, **({"sets": ("train.epochs=2",)} | other))
    assert len(read_study(Folder.at(tmp_path)).starts) == 1


def test_another_task_or_other_folds_are_refused(tmp_path: Path) -> None:
    start(tmp_path, FOCAL)
    other = Task("fruit", (Part("label", ("ash", "beech", "cedar", "dogwood")),))
    with pytest.raises(UserError, match="another task"):
        start(tmp_path, FOCAL, task=other)
    with pytest.raises(UserError, match="not the folds"):
        start(tmp_path, FOCAL, folds=(1, 0))


def test_moved_data_are_the_same_data(tmp_path: Path) -> None:
    start(tmp_path, FOCAL)
    content = read_study(Folder.at(tmp_path))
    content.data["location"] = "/elsewhere"
    Folder.at(tmp_path).write_json("study.json", to_plain(content))
    assert len(start(tmp_path, FOCAL).content.starts) == 2


def test_the_end_is_recorded_while_the_lease_is_held(tmp_path: Path) -> None:
    record = start(tmp_path, FOCAL)
    with record.ending(lambda: True) as end:
        end.exit_code = Exit.DEGRADED
    assert [s.exit_code for s in read_study(Folder.at(tmp_path)).starts] == [3]
    lost = start(tmp_path, FOCAL)
    with lost.ending(lambda: False) as end:
        end.exit_code = Exit.GOOD
    assert [s.exit_code for s in read_study(Folder.at(tmp_path)).starts] == [3, None]
