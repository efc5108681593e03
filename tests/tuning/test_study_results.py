"""What a study says of its runs; statistics are of tests/statistics/test_paired.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.tuning.study_page import page
from maskcls.tuning.study_record import StudyContent
from maskcls.tuning.study_results import ChangeEntry, Compared, _verdict, compare_all
from tests.evaluation.oof_factory import write_held_out
from tests.tasks import FRUIT

FOUND = Compared(
    "loss.name=focal", "loss.name=focal", {"loss.name": ["cross_entropy", "focal"]}, [0, 1], [0, 1],
    0.40, 0.43, 0.03, [0.01, 0.05], 0.004, 0.02, "seeds", 100,
)  # fmt: skip


def rows_of(seed: int) -> Rows:
    """40 rows of 20 groups, right more often than not."""
    rng, labels = np.random.default_rng(seed), np.arange(40) % 4
    logits = np.eye(4)[labels] + rng.normal(0, 0.6, (40, 4))
    groups = np.arange(40) // 2
    return Rows(labels, logits.astype(np.float32), groups, groups % 2)


def test_what_one_run_lacks_is_left_out_of_all(tmp_path: Path) -> None:
    sets = ["folds.count=2"]
    write_held_out(tmp_path / "base-s0", rows_of(0), sets)
    whole, half = ChangeEntry("a", "a", {}), ChangeEntry("b", "b", {})
    write_held_out(tmp_path / "a-s0", rows_of(1), sets)
    write_held_out(tmp_path / "b-s0", rows_of(0).where(np.arange(40) < 30), sets)
    never = ChangeEntry("c", "c", {})
    found = compare_all(Folder.at(tmp_path), FRUIT, [whole, half, never], [0], {})
    by_name = {one.name: one for one in found}
    assert (by_name["a"].rows, by_name["a"].left_out) == (40, 0)
    assert (by_name["b"].rows, by_name["b"].left_out, by_name["b"].difference) == (30, 10, 0)
    assert found[-1].verdict == "not trained yet"


def test_only_what_holds_among_all_changes_is_called_better() -> None:
    assert _verdict(FOUND) == "better"
    assert _verdict(replace(FOUND, difference=-0.03, interval=[-0.05, -0.01])) == "worse"
    assert "not among so many" in _verdict(replace(FOUND, p_adjusted=0.2))
    assert _verdict(replace(FOUND, interval=[-0.01, 0.05])) == "no difference shown"
    assert _verdict(replace(FOUND, p=0.2, p_adjusted=1.0)) == "no difference shown"
    assert "noise not measured" in _verdict(replace(FOUND, noise_from=None))
    nothing = replace(FOUND, difference=None, interval=None, p=None)
    assert "not defined" in _verdict(nothing)
    assert _verdict(replace(nothing, seeds=[])) == "not trained yet"
    assert _verdict(replace(nothing, seeds=[], failed={"x-s0": "NaN"})) == "failed"


def test_the_page_shows_every_change_and_loads_nothing() -> None:
    failed = Compared(
        "optim.lr=9", "optim.lr=9", {"optim.lr": [1e-3, 9]}, [], [0, 1], verdict="failed",
        failed={"optim.lr=9-s0": "loss became <nan>"},
    )  # fmt: skip
    entries = [ChangeEntry(one.change, one.name, one.settings) for one in (FOUND, failed)]
    content = StudyContent(
        **vars(Record.new({"images": 84, "groups": 12})), changes=entries, seeds=[0, 1],
        results=[replace(FOUND, verdict="better"), failed],
    )  # fmt: skip
    text = page(content)
    assert "2 changes: 1 better, 0 worse, 1 without a shown difference" in text
    assert "is 0.4000; the same folds, 2 seeds. 84 images of 12 groups." in text
    assert text.count("<circle") == 1
    assert "loss became &lt;nan&gt;" in text
    assert "[+0.0100, +0.0500]" in text
    assert "src=" not in text
    assert "http" not in text
