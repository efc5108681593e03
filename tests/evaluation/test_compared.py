"""Runs compared: settings that differ, seeds of one setting, refusals, verdicts."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskcls.cli.main import main
from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.evaluation.compared import compare_runs
from maskcls.statistics.rows import Rows
from maskcls.store.run import Run
from tests.evaluation.oof_factory import write_held_out
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT


def test_one_setting_differs_and_b_is_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (a,), (b,) = made_up_sides(0, 100, (0, 1))
    write_held_out(tmp_path / "a", a)
    write_held_out(tmp_path / "b", b, ["loss.name=focal"])
    out = tmp_path / "out.json"
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json", str(out)]) == 0
    (pair,) = json.loads(out.read_text())["pairs"]
    assert set(pair["settings"]) == {"loss.name"}
    assert pair["interval"][0] > 0
    assert pair["p"] == pair["p_adjusted"] < 0.01
    assert pair["verdict"] in capsys.readouterr().out
    assert "b is better by" in pair["verdict"]
    assert pair["verdict"].endswith("one setting differs: loss.name")
    assert "training noise not measured" in pair["remarks"][0]


def test_a_run_against_itself_claims_nothing(tmp_path: Path):
    (a,), _ = made_up_sides(0, 20)
    run = write_held_out(tmp_path / "a", a)
    (pair,) = compare_runs([run, run])
    assert (pair.paired.difference, pair.paired.p, pair.settings) == (0, 1, {})
    assert pair.verdict.startswith("no difference can be claimed")


def test_runs_that_differ_in_their_seed_are_one_setting(tmp_path: Path):
    a, b = made_up_sides(1, 60, (0, 1), seeds=2)
    runs = [
        write_held_out(tmp_path / f"{loss}{seed}", rows, [f"loss.name={loss}", f"train.seed={seed}"])
        for loss, side in (("cross_entropy", a), ("focal", b))
        for seed, rows in enumerate(side)
    ]  # fmt: skip
    (pair,) = compare_runs(runs)
    assert (pair.a.seeds, pair.b.seeds) == ([0, 1], [0, 1])
    assert pair.paired.noise_from == "seeds"
    # All of one setting: against each other.
    (seeds,) = compare_runs(runs[:2])
    assert seeds.verdict.endswith("no setting differs, only train.seed")


def test_several_settings_leave_the_cause_open_and_pairs_are_corrected(tmp_path: Path):
    (a,), (b,) = made_up_sides(2, 40)
    runs = [
        write_held_out(tmp_path / "a", a),
        write_held_out(tmp_path / "b", b, ["optim.lr=0.5", "train.epochs=7"]),
        write_held_out(tmp_path / "c", b, ["optim.lr=0.25"]),
    ]
    pairs = compare_runs(runs)
    assert len(pairs) == 3
    assert "the cause cannot be told: " in pairs[0].verdict
    assert all(pair.p_adjusted >= pair.paired.p for pair in pairs)


def test_other_data_are_refused(tmp_path: Path):
    (a,), (b,) = made_up_sides(3, 20)
    runs = [write_held_out(tmp_path / "a", a), write_held_out(tmp_path / "b", b, (), "others")]
    with pytest.raises(UserError, match="other data"):
        compare_runs(runs)


def test_what_both_have_is_compared_and_said(tmp_path: Path):
    (a,), (b,) = made_up_sides(4, 20)
    fewer = b.where(np.arange(len(b)) < 60)
    pair = compare_runs([write_held_out(tmp_path / "a", a), write_held_out(tmp_path / "b", fewer)])[
        0
    ]
    assert (pair.images, pair.left_out) == (60, 20)
    assert any("60 held-out images that both have" in text for text in pair.remarks)


def _with_groups() -> Task:
    return replace(FRUIT, has_groups=True)


def test_a_score_with_a_leak_wins_against_none_without(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 100, (0, 2))
    grouped = _with_groups()
    runs = [
        write_held_out(tmp_path / "honest", a, task=grouped),
        write_held_out(tmp_path / "leaky", b, ["folds.scheme=image"], task=grouped),
    ]
    (pair,) = compare_runs(runs)
    assert pair.paired.is_claimed
    assert not pair.is_claimed
    assert not pair.to_json()["claimed"]
    assert "lets the networks of leaky learn from the groups that score them" in _plain(
        pair.verdict
    )
    (back,) = compare_runs(runs[::-1])
    assert "the networks of leaky" in _plain(back.verdict)


def _plain(verdict: str) -> str:
    """Names without the folder that a test runs in."""
    return re.sub(r"\S+/", "", verdict)


def test_two_scores_with_a_leak_are_compared_and_it_is_said(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 100, (0, 2))
    runs = [
        write_held_out(tmp_path / name, rows, ["folds.scheme=image"], task=_with_groups())
        for name, rows in (("a", a), ("b", b))
    ]
    (pair,) = compare_runs(runs)
    assert pair.is_claimed
    assert any("does not measure performance on new groups" in text for text in pair.remarks)


def test_without_groups_there_is_no_leak(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 100, (0, 2))
    leaky = write_held_out(tmp_path / "b", b, ["folds.scheme=image"])
    (pair,) = compare_runs([write_held_out(tmp_path / "a", a), leaky])
    assert pair.is_claimed


def test_groups_of_unequal_size_and_other_folds(tmp_path: Path):
    (a,), (b,) = made_up_sides(6, 60, (0, 1))
    sizes = np.random.default_rng(0).permutation(len(a)) < len(a) // 2
    sizes |= a.groups < 5  # five whole groups, and what is left of the others
    few, better = a.where(sizes), b.where(sizes)
    counts = np.bincount(few.groups)
    assert counts.min() < counts.max()
    moved = replace(better, folds=(few.groups % 3).astype(np.int64))
    runs = [write_held_out(tmp_path / "a", few), write_held_out(tmp_path / "b", moved)]
    (pair,) = compare_runs(runs)
    assert not pair.same_folds
    assert "other folds: a part of the difference may be the split's" in pair.remarks
    assert pair.paired.noise_from == "folds"
    assert (pair.images, pair.left_out, pair.paired.groups) == (len(few), 0, few.num_groups)
    assert pair.paired.difference > 0


def test_other_classes_metrics_and_single_runs_are_refused(tmp_path: Path):
    (a,), _ = made_up_sides(7, 20)
    one = write_held_out(tmp_path / "a", a)
    with pytest.raises(UserError, match="two runs"):
        compare_runs([one])
    other = write_held_out(tmp_path / "b", a, task=replace(FRUIT, metric="accuracy"))
    with pytest.raises(UserError, match="ranked by other metrics"):
        compare_runs([one, other])
    parts = (Part("label", ("apple", "banana", "cherry", "elderberry")),)
    other = write_held_out(tmp_path / "c", a, task=replace(FRUIT, parts=parts))
    with pytest.raises(UserError, match="other classes"):
        compare_runs([one, other])


def _one_setting(at: Path, sets: Sequence[str] = (), **changed: Any) -> str:
    """The verdict's second half for loss.name alone, with something else changed."""
    (a,), (b,) = made_up_sides(0, 40, (0, 1))
    runs = [write_held_out(at / "a", a), write_held_out(at / "b", b, ["loss.name=focal", *sets])]
    (pair,) = compare_runs(runs)
    return replace(pair, **changed).verdict.partition("; ")[2]


def test_a_setting_is_no_cause_where_something_else_differs(tmp_path: Path):
    open_ = "the cause cannot be told: loss.name differs, and "
    assert _one_setting(tmp_path / "1", ["train.seed=3"]) == f"{open_}train.seed too"
    assert _one_setting(tmp_path / "2", same_folds=False) == f"{open_}the folds too"
    assert _one_setting(tmp_path / "3", same_groups=False) == f"{open_}the groups too"
    code = {"commit": ("1", "2"), "torch": ("2.0", "2.1")}
    found = _one_setting(tmp_path / "4", ["train.seed=3"], code=code)
    assert found == f"{open_}train.seed and the code (commit, torch) too"
    assert _one_setting(tmp_path / "5") == "one setting differs: loss.name"


def test_other_folds_are_what_a_setting_of_the_folds_does(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 40, (0, 1))
    moved = replace(b, folds=(b.folds + 1) % 5)
    runs = [
        write_held_out(tmp_path / "a", a),
        write_held_out(tmp_path / "b", moved, ["folds.seed=1"]),
    ]
    (pair,) = compare_runs(runs)
    assert not pair.same_folds
    assert pair.verdict.endswith("one setting differs: folds.seed")


def _with_commit(run: Run, commit: str) -> Run:
    record = run.record()
    assert record is not None
    record.git_commit = commit
    run.write_record(record)
    return run


def test_other_code_is_named_of_every_seed(tmp_path: Path):
    a, b = made_up_sides(1, 40, (0, 1), seeds=2)
    runs = [
        write_held_out(tmp_path / f"{loss}{seed}", rows, [f"loss.name={loss}", f"train.seed={seed}"])
        for loss, side in (("cross_entropy", a), ("focal", b))
        for seed, rows in enumerate(side)
    ]  # fmt: skip
    for run, commit in zip(runs, "1112", strict=True):
        _with_commit(run, commit)
    (pair,) = compare_runs(runs)
    assert pair.code == {"commit": ("1", "1, 2")}
    assert pair.verdict.endswith("loss.name differs, and the code (commit) too")


def test_seeds_are_no_other_cause_where_both_sides_have_several(tmp_path: Path):
    a, b = made_up_sides(1, 40, (0, 1), seeds=2)
    runs = [
        write_held_out(tmp_path / f"{loss}{seed}", rows, [f"loss.name={loss}", f"train.seed={seed}"])
        for first, loss, side in ((0, "cross_entropy", a), (5, "focal", b))
        for seed, rows in enumerate(side, first)
    ]  # fmt: skip
    (pair,) = compare_runs(runs)
    assert pair.verdict.endswith("one setting differs: loss.name")
    (pair,) = compare_runs([*runs[:2], runs[3]])
    assert pair.verdict.endswith("loss.name differs, and train.seed too")


def test_each_side_has_the_interval_of_its_own_score(tmp_path: Path):
    a, b = made_up_sides(1, 60, (0, 1), seeds=2)
    runs = [
        write_held_out(tmp_path / f"{loss}{seed}", rows, [f"loss.name={loss}", f"train.seed={seed}"])
        for loss, side in (("cross_entropy", a), ("focal", b))
        for seed, rows in enumerate(side)
    ]  # fmt: skip
    (pair,) = compare_runs(runs)
    for value, interval in zip(pair.values, pair.intervals, strict=True):
        assert interval is not None
        assert interval.low < value < interval.high
    assert pair.to_json()["value_intervals"] == [[i.low, i.high] for i in pair.intervals if i]


def test_the_same_answers_are_no_comparison(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 40, (0, 1))
    runs = [
        write_held_out(tmp_path / "a", a),
        write_held_out(tmp_path / "b", a, ["optim.lr=0.5"]),
        write_held_out(tmp_path / "c", b, ["optim.lr=0.25"]),
    ]
    same, *others = compare_runs(runs)
    assert same.verdict == (
        "no difference can be claimed: all answers are the same; one setting differs: optim.lr"
    )
    assert [pair.same_answers for pair in (same, *others)] == [True, False, False]
    # Two that can be found different by chance, not three.
    assert {pair.comparisons for pair in (same, *others)} == {2}
    assert [pair.p_adjusted for pair in others] == [2 * pair.paired.p for pair in others]


def _one_per_group(rows: Rows) -> Rows:
    return replace(rows, groups=np.arange(len(rows)))


@pytest.mark.parametrize("repeats", [1, 2])
def test_one_group_per_image_is_told_by_images_and_not_by_rows(tmp_path: Path, repeats: int):
    (a,), (b,) = made_up_sides(0, 20, (0, 1))
    sides = [_one_per_group(a), _one_per_group(b)]
    sets = [f"folds.repeats={repeats}"]
    runs = [
        write_held_out(tmp_path / name, rows, [*sets, *own], repeats=repeats)
        for name, rows, own in zip("ab", sides, ([], ["optim.lr=0.5"]), strict=True)
    ]
    (pair,) = compare_runs(runs)
    assert (pair.images, pair.rows, pair.paired.groups) == (80, 80 * repeats, 80)
    assert any("one group per image" in text for text in pair.remarks)


def test_as_many_groups_as_images_is_told_by_images_and_not_by_rows(tmp_path: Path):
    (a,), (b,) = made_up_sides(0, 20, (0, 1), per_group=2)
    runs = [
        write_held_out(tmp_path / name, rows, ["folds.repeats=2", *own], repeats=2)
        for name, rows, own in (("a", a, []), ("b", b, ["optim.lr=0.5"]))
    ]
    (pair,) = compare_runs(runs)
    assert (pair.images, pair.paired.groups) == (40, 20)
    assert not any("one group per image" in text for text in pair.remarks)
    few = replace(pair, left_out=4)
    assert any("80 held-out rows (one per repeat of each of 40 images)" in t for t in few.remarks)
