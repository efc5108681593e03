"""What a study says of its runs; statistics are of tests/statistics/test_paired.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.run import Run
from maskcls.tuning.study_page import page
from maskcls.tuning.study_record import StudyContent
from maskcls.tuning.study_results import (
    ChangeEntry,
    Compared,
    _verdict,
    basis,
    compare_all,
    headline,
)
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
    def verdict(**changed: Any) -> str:
        return _verdict(replace(FOUND, **changed), 7)

    assert verdict() == "better"
    assert verdict(difference=-0.03, interval=[-0.05, -0.01]) == "worse"
    assert verdict(p_adjusted=0.2) == (
        "better if it were the only comparison, but not after the correction for all 7 comparisons of"
        " the study"
    )
    assert verdict(interval=[-0.01, 0.05]) == "no difference shown"
    assert verdict(p=0.2, p_adjusted=1.0) == "no difference shown"
    assert "noise not measured" in verdict(noise_from=None)
    assert verdict(failed={"x-s0": "NaN"}) == "better; 1 of its runs failed"
    nothing: dict[str, Any] = {"difference": None, "interval": None, "p": None}
    assert verdict(**nothing) == "the metric is not defined on these rows"
    assert verdict(**nothing, seeds=[]) == "not trained yet"
    assert verdict(**nothing, base_seeds=[]) == "the base is not trained yet"
    assert verdict(**nothing, seeds=[], failed={"x-s0": "NaN"}) == "failed"


def _runs(at: Path, **sides: Rows) -> None:
    for name, rows in sides.items():
        write_held_out(at / f"{name}-s0", rows, ["folds.count=2"])


def test_the_same_answers_are_a_change_without_effect(tmp_path: Path) -> None:
    _runs(tmp_path, base=rows_of(0), same=rows_of(0), other=rows_of(1))
    # More seeds of the base than of the change are no effect of it.
    write_held_out(tmp_path / "base-s1", rows_of(2), ["folds.count=2"])
    entries = [ChangeEntry(name, name, {}) for name in ("same", "other", "late")]
    found = {one.name: one for one in compare_all(Folder.at(tmp_path), FRUIT, entries, [0, 1], {})}
    same = found["same"]
    assert (same.outcome, same.difference, same.interval, same.p) == ("same", 0, None, None)
    assert same.verdict == "without effect: all answers are the same as the base's"
    # Holm's correction is for one change, not for three.
    assert found["other"].p_adjusted == found["other"].p
    results = list(found.values())
    assert headline(results).endswith("1 without effect, 1 not trained")
    assert basis(results) == (
        "Holm's correction is for 1 comparison with the base, of 1 to 2 seeds on each side"
    )


def test_a_change_trained_with_other_code_is_not_named_as_the_cause(tmp_path: Path) -> None:
    _runs(tmp_path, base=rows_of(0), a=rows_of(1))
    entries = [ChangeEntry("a", "a", {})]
    (found,) = compare_all(Folder.at(tmp_path), FRUIT, entries, [0], {})
    assert found.code == []
    run = Run(Folder.at(tmp_path / "a-s0"))
    record = run.record()
    assert record is not None
    record.git_commit = "another"
    run.write_record(record)
    (found,) = compare_all(Folder.at(tmp_path), FRUIT, entries, [0], {})
    assert found.verdict.endswith("the code differs, too (commit), so the cause cannot be told")


def test_scores_have_intervals(tmp_path: Path) -> None:
    _runs(tmp_path, base=rows_of(0), a=rows_of(1))
    for task, sign in ((FRUIT, 1), (replace(FRUIT, metric="log_loss"), -1)):
        (found,) = compare_all(Folder.at(tmp_path), task, [ChangeEntry("a", "a", {})], [0], {})
        for interval in (found.base_interval, found.score_interval):
            assert interval is not None
            assert 0 < sign * interval[0] != sign * interval[1] > 0
            assert interval[0] < interval[1]


def test_the_headline_counts_judged_changes_as_such_only() -> None:
    nothing = replace(FOUND, difference=None, interval=None, p=None, p_adjusted=None)
    results = [
        FOUND,
        replace(FOUND, p_adjusted=0.2),
        replace(FOUND, interval=[-0.01, 0.05]),
        replace(FOUND, difference=-0.03, interval=[-0.05, -0.01]),
        replace(nothing, seeds=[]),
        replace(nothing, seeds=[], failed={"x-s0": "NaN"}),
        replace(nothing, base_seeds=[]),
        nothing,
        replace(nothing, difference=0.0, same_answers=True),
    ]
    assert headline(results) == (
        "9 changes: 1 better, 1 worse, 2 without a shown difference, 1 without effect, 1 for which the"
        " metric is not defined, 1 failed, 1 not trained, 1 without a trained base"
    )
    assert basis(results) == (
        "Holm's correction is for 4 comparisons with the base, of 2 seeds on each side"
    )
    assert basis([nothing]) == ""


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
    assert "<h1>2 changes: 1 better, 0 worse, 0 without a shown difference, 1 failed</h1>" in text
    assert "is 0.4000; the same folds, 2 seeds. 84 images of 12 groups." in text
    assert text.count("<circle") == 1
    assert "loss became &lt;nan&gt;" in text
    assert "[+0.0100, +0.0500]" in text
    assert "src=" not in text
    assert "http" not in text
