"""The decision: what it is worth is measured on groups that it was not fitted on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from maskcls.core.metrics import of_confusion
from maskcls.core.tally import confusion
from maskcls.core.task import Part, Task
from maskcls.statistics import decision
from maskcls.statistics.decision import fit_decision, judged, nested_folds, tune
from maskcls.statistics.rows import Rows
from tests.tasks import FRUIT, SKIN

SHARES = np.array([0.6, 0.25, 0.1, 0.05])


def drawn(seed: int, groups: int = 200, size: int = 3, knows_shares: float = 1.0) -> Rows:
    """Rows of four classes in groups whose errors are shared.

    knows_shares: 1 for logits of the shares that were drawn from, 0 for ones made for equal classes.
    """
    rng = np.random.default_rng(seed)
    label = rng.choice(4, size=groups, p=SHARES)
    shared = rng.normal(size=(groups, 4))
    labels, group = np.repeat(label, size), np.repeat(np.arange(groups), size)
    noise = 0.8 * shared[group] + 0.6 * rng.normal(size=(groups * size, 4))
    logits = 1.5 * (noise + 1.5 * np.eye(4)[labels]) + knows_shares * np.log(SHARES)
    return Rows(labels, logits.astype(np.float32), group, group % 5)


def test_a_gain_that_is_there_is_found() -> None:
    found = fit_decision(FRUIT, drawn(1, 1500))
    assert found.rule == "tuned"
    assert found.is_better
    assert found.gain == pytest.approx(found.value - found.plain)
    assert found.interval.low < found.gain < found.interval.high
    assert found.log_weights[3] > found.log_weights[0]
    # Not only on the groups that they were fitted on. (Whether the interval covers is measured, and less
    # often than 95 %: docs/measurements.md.)
    others = drawn(2, 20_000)
    answers = (others.logits + found.log_weights).argmax(axis=1)
    (plain, value), _ = judged(FRUIT, others, [others.logits.argmax(axis=1), answers], resamples=20)
    assert value - plain > 0.005


def test_the_same_rows_give_the_same_decision() -> None:
    first, second = (fit_decision(FRUIT, drawn(1)) for _ in range(2))
    assert first.log_weights.tolist() == second.log_weights.tolist()
    assert first.interval == second.interval


def test_weights_without_use_are_seldom_taken() -> None:
    # Balanced accuracy of logits made for equal classes: argmax is the best rule already.
    task = replace(FRUIT, metric="balanced_accuracy")
    found = [fit_decision(task, drawn(seed, 100, knows_shares=0.0)) for seed in range(20)]
    # Measured over 200 such draws: 5.5 %; more than 3 of 20 then have p = .02.
    assert sum(one.is_better for one in found) <= 3
    assert np.mean([one.shrink for one in found]) < 0.75


def test_a_group_has_no_part_in_the_weights_that_its_answers_are_judged_by() -> None:
    rows = drawn(3)
    before = tune(FRUIT, rows).nested
    # Other labels of one nested fold's groups change no nested answer of that fold.
    here = nested_folds(rows) == 2
    labels = np.where(here, (rows.labels + 1) % 4, rows.labels)
    after = tune(FRUIT, replace(rows, labels=labels)).nested
    assert (before[here] == after[here]).all()


def test_the_ratio_stands_for_other_shares() -> None:
    rows = drawn(4, 400)
    ratio = np.array([0.25, 0.25, 0.25, 0.25]) / SHARES
    known = rows.with_logits(rows.logits + np.log(ratio))
    tuned = fit_decision(replace(FRUIT, metric="accuracy"), rows, ratio)
    assert tuned.is_better  # as the shares have changed
    correct = known.logits.argmax(axis=1)
    answers = (rows.logits + tuned.log_weights).argmax(axis=1)
    task = replace(FRUIT, metric="accuracy")
    (best, mine), _ = judged(task, rows, [correct, answers], ratio, resamples=20)
    assert mine > best - 0.02


@pytest.mark.parametrize(
    ("metric", "options"),
    [("macro_f1", {}), ("accuracy", {}), ("balanced_accuracy", {}), ("quadratic_kappa", {})],
)
def test_judged_is_the_metric(metric: Any, options: dict[str, Any]) -> None:
    task, rows = replace(FRUIT, metric=metric), drawn(5, 50)
    answers = rows.logits.argmax(axis=1)
    other = (rows.logits + np.arange(4)).argmax(axis=1)
    values, intervals = judged(task, rows, [answers, other], resamples=200)
    for found, one in zip(values, (answers, other), strict=True):
        known = of_confusion(task, confusion(4, rows.labels, one))[task.metric]
        assert found == pytest.approx(known, abs=1e-12)
    assert (intervals[0].low, intervals[0].high) == (0, 0)
    assert intervals[1].low < values[1] - values[0] < intervals[1].high


@pytest.mark.parametrize(
    ("metric", "difference", "low", "high"),
    [
        ("macro_f1", 0.0216, -0.0258, 0.0694),
        ("accuracy", -0.0133, -0.0333, 0.0067),
        ("balanced_accuracy", 0.0814, 0.0450, 0.1189),
        ("quadratic_kappa", 0.0111, -0.0690, 0.0895),
    ],
)
def test_intervals_of_differences_are_nearly_those_of_stambo(
    metric: Any, difference: float, low: float, high: float
) -> None:
    # stambo 0.1.6: two_sample_test of the same answers and groups, 2,000 resamples, with scikit-learn's
    # metrics. It needs matplotlib and IPython, so it is no dependency. Its intervals are quantiles,
    # these are BCa.
    task, rows = replace(FRUIT, metric=metric), drawn(11, 300)
    weighted = (rows.logits + np.log([1.0, 1.0, 2.0, 4.0])).argmax(axis=1)
    values, intervals = judged(task, rows, [rows.logits.argmax(axis=1), weighted])
    assert values[1] - values[0] == pytest.approx(difference, abs=1e-4)
    found = [intervals[1].low, intervals[1].high]
    assert found == pytest.approx([low, high], abs=0.1 * (high - low))


def test_starting_weights_are_part_of_the_result() -> None:
    rows, start = drawn(6), np.array([0.0, 1.0, 2.0, 3.0])
    tuned = tune(FRUIT, rows.with_logits(rows.logits - start), start=start)
    assert tuned.log_weights == pytest.approx(tune(FRUIT, rows).log_weights + start - 1.5, abs=1e-5)


def test_nested_folds_are_of_whole_groups_and_of_every_network() -> None:
    rows = drawn(7, 100)  # five networks with 20 groups each
    folds = nested_folds(rows)
    shared = np.unique(np.stack([folds, rows.folds]), axis=1, return_counts=True)[1]
    assert shared.tolist() == [len(rows) // 25] * 25
    # Groups that lie in several folds, as those of repeats do, stay whole.
    repeated = replace(rows, folds=np.arange(len(rows)) % 3 + np.arange(len(rows)) % 2 * 3)
    folds = nested_folds(repeated)
    assert np.unique(folds).tolist() == [0, 1, 2, 3, 4]
    for group in range(100):
        assert len(np.unique(folds[rows.groups == group])) == 1


def test_where_nothing_can_be_fitted_it_says_why() -> None:
    rows = drawn(8)
    assert "AUC is a metric of probabilities" in fit_decision(SKIN, rows).why
    few = fit_decision(FRUIT, rows.where(rows.groups < 9))
    assert (few.rule, few.why) == ("argmax", "9 groups are too few to fit weights")
    assert not few.is_better
    assert not few.log_weights.any()
    same = replace(rows, labels=np.zeros(len(rows), np.int64))
    assert fit_decision(FRUIT, same).why == "the held-out images are of one class"
    wide = Task("wide", (Part("label", tuple(map(str, range(101)))),))
    many = Rows(rows.labels, np.zeros((len(rows), 101)), rows.groups, rows.folds)
    assert fit_decision(wide, many).why == "101 weights are too many to fit"


def test_of_too_many_rows_a_part_of_the_groups_is_fitted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = drawn(9, 400)
    monkeypatch.setattr(decision, "_MOST_WORK", len(rows) * 4**2 // 2)
    found = fit_decision(FRUIT, rows)
    assert found.rule == "tuned"
    assert found.interval.low < found.gain < found.interval.high
