"""Lines of `maskcls compare`: sides, difference, what differs, classes, remarks, verdict."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskcls.cli.compare_text import lines_of
from maskcls.evaluation.compared import Difference, Pair, compare_runs
from maskcls.statistics.intervals import Interval
from tests.evaluation.oof_factory import write_held_out
from tests.statistics.made_up_runs import made_up_sides


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.chdir(tmp_path)
    (a,), (b,) = made_up_sides(0, 40, (0, 1))
    one = write_held_out(tmp_path / "one", a)
    sets = ["loss.name=focal", "loss.focal.gamma=5", "train.seed=3"]
    (found,) = compare_runs([one, write_held_out(tmp_path / "two", b, sets)])
    return found


def test_a_block_says_who_is_who_and_ends_with_the_verdict(pair: Pair):
    lines = lines_of([pair])
    assert lines[0] == f"A  one  macro F1 {pair.values[0]:.4f} {pair.intervals[0]}  seed 0"
    assert lines[1] == f"B  two  macro F1 {pair.values[1]:.4f} {pair.intervals[1]}  seed 3"
    assert lines[2].startswith(f"B minus A: {pair.paired.difference:+.4f} [")
    assert f"p {pair.paired.p:.4f}  (160 images, 40 groups)" in lines[2]
    assert lines[3].startswith("differs  loss.name: cross_entropy")
    assert lines[3].endswith("in A, focal (gamma 5, class_weights none) in B")
    assert lines[4] == "the same  data, folds, code"
    assert lines[5] == "  F1 of classes, B - A:"
    assert [line.split()[0] for line in lines[6:10]] == ["apple", "banana", "cherry", "date"]
    assert lines[10:-1] == [f"note: {text}" for text in pair.remarks]
    assert lines[-1] == pair.verdict


def test_code_and_folds_that_differ(pair: Pair):
    lines = lines_of([replace(pair, code={"torch": ("2.0", None)}, same_folds=False)])
    assert "differs  torch: 2.0 in A, None in B" in lines
    assert "the same  data" in lines


def test_of_many_classes_those_that_differ_most(pair: Pair):
    interval = Interval(0.95, -1.0, 1.0)
    many = tuple(Difference(f"c{k:02}", (-1) ** k * k / 100, interval) for k in range(30))
    lines = lines_of([replace(pair, per_class=many)])
    shown = [line.split()[0] for line in lines if line.startswith("  c")]
    assert shown == [f"c{k:02}" for k in range(29, 9, -1)]
    assert "  (the 20 classes that differ most; --json FILE has all)" in lines


def test_parts_come_first(pair: Pair):
    part = Difference("gender", 0.125, Interval(0.95, 0.1, 0.2))
    lines = lines_of([replace(pair, parts=(part,))])
    place = lines.index("  macro F1 of parts, F1 of classes, B - A:")
    assert lines[place + 1] == "  gender  +0.1250 [+0.1000, +0.2000]"


def test_several_pairs_end_with_a_table(pair: Pair):
    pair = replace(pair, comparisons=2)
    other = replace(pair, p_adjusted=0.5)
    assert (pair.is_claimed, other.is_claimed) == (True, False)
    lines = lines_of([pair, other])
    assert "by Holm over 2 pairs" in lines[2]
    head, *rows = lines[-3:]
    assert head.startswith("pair")
    assert [row.startswith("one -> two") for row in rows] == [True, True]
    assert [row.endswith("claimed") for row in rows] == [True, False]
    assert "  0.5000" in rows[1]


def test_what_is_not_defined_is_shown_as_such(pair: Pair):
    nothing = Interval(0.95, np.nan, np.nan)
    paired = replace(pair.paired, difference=np.nan, interval=nothing, p=np.nan)
    lines = lines_of([replace(pair, paired=paired)])
    assert "+nan [+nan, +nan], p nan" in lines[2]
    assert lines[-1].startswith("no difference can be claimed: the metric is not defined")


def test_a_score_whose_interval_is_not_known_is_shown_alone(pair: Pair):
    lines = lines_of([replace(pair, intervals=(None, pair.intervals[1]))])
    start = f"A  one  macro F1 {pair.values[0]:.4f}  "
    assert lines[0].startswith(start)
    assert lines[0][len(start) :].strip() == "seed 0"
    assert lines[0].index("seed") == lines[1].index("seed")


def test_of_a_loss_the_difference_is_named_the_other_way_round(pair: Pair):
    lines = lines_of([replace(pair, metric="log_loss")])
    assert lines[2].startswith("A minus B (above 0: B is better): +")


def test_a_class_that_is_the_same_has_no_numbers(pair: Pair):
    never = Difference("never predicted", 0.0, Interval(0.95, 0.0, 0.0))
    rounded = Difference("nearly", 0.0, Interval(0.95, -0.1, 0.1))
    lines = lines_of([replace(pair, per_class=(never, rounded))])
    assert "  never predicted  the same" in lines
    assert "  nearly           +0.0000 [-0.1000, +0.1000]" in lines


def test_the_same_answers_have_no_numbers(pair: Pair):
    same = replace(pair, same_answers=True, paired=replace(pair.paired, groups=160))
    lines = lines_of([same])
    assert lines[2] == "B minus A: the same, as all answers are  (160 images)"
    assert lines[-1].startswith("no difference can be claimed: all answers are the same; ")
    assert not any("F1 of classes" in line or "training noise" in line for line in lines)
    assert lines_of([same, pair])[-2] == "one -> two    the same"
