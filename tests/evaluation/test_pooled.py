"""Held-out rows of several runs: averaged as the answers are, over the images that all share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.pooled import Combining, Pooled, pool, why_not_pooled
from maskcls.store.run import Run
from tests.commands.run_factory import write_run
from tests.evaluation.held_out_factory import write_held_out
from tests.tasks import FRUIT

IDS = ["a.jpg", "b.jpg"]
TWO = ["folds.count=2"]
GROUPS = ["p", "p", "q", "r"]


def made(folder: Path, seed: int, images: list[str], sets: list[str] | None = None) -> Run:
    rng = np.random.default_rng(seed)
    write_run(folder, IDS, rng.normal(size=(2, 2, 4)), sets or TWO, task=FRUIT)
    rows = rng.normal(size=(len(images), 4))
    labels = [int(name[3:]) % 4 for name in images]
    groups = [GROUPS[int(name[3:])] for name in images]
    return write_held_out(folder, labels, rows, groups, [0, 0, 1, 1][: len(images)], images)


def pooled(runs: list[Run], how: Combining) -> Pooled:
    found = pool(runs, how)
    assert isinstance(found, Pooled), found
    return found


@pytest.mark.parametrize("rule", ["logits", "probs"])
def test_rows_that_all_runs_held_out_are_averaged_with_their_weights(
    rule: Rule, tmp_path: Path
) -> None:
    first = made(tmp_path / "a", 1, ["img0", "img1", "img2", "img3"])
    second = made(tmp_path / "b", 2, ["img3", "img0", "img2"])
    found = pooled([first, second], Combining(rule, [3, 1]))
    rows = found.combined()
    assert rows.labels.tolist() == [0, 2, 3]
    assert rows.groups.tolist() == [0, 1, 2]
    assert found.own.folds.tolist() == [0, 0, 1, 1, 2, 2, 3]
    one, two = found.own.logits[[0, 2, 3]].astype(float), found.own.logits[[5, 6, 4]].astype(float)
    expected = (3 * one + two) / 4
    if rule == "probs":
        expected = np.log((3 * softmax(one, axis=1) + softmax(two, axis=1)) / 4)
    np.testing.assert_allclose(rows.logits, expected, rtol=1e-12)
    shift = np.array([0.0, 1, 0, -1])
    moved = found.combined(shift=shift).logits
    np.testing.assert_allclose(
        log_softmax(moved, axis=1), log_softmax(expected + shift, axis=1), rtol=1e-10
    )


def test_repeats_are_splits_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_run(
        tmp_path / "a", IDS, rng.normal(size=(4, 2, 4)), [*TWO, "folds.repeats=2"], task=FRUIT
    )
    logits = rng.normal(size=(4, 4)).astype(np.float32)
    names = ["img0", "img1", "img0", "img1"]
    run = write_held_out(
        tmp_path / "a",
        [0, 1, 0, 1],
        logits,
        ["p", "q", "p", "q"],
        [0, 1, 1, 0],
        names,
        [0, 0, 1, 1],
    )
    rows = pooled([run], Combining("logits")).combined()
    np.testing.assert_allclose(rows.logits, (logits[:2].astype(float) + logits[2:]) / 2)
    assert rows.labels.tolist() == [0, 1]


def test_held_out_images_of_groups_that_were_trained_on_are_not_fitted_on(tmp_path: Path) -> None:
    images = ["img0", "img1", "img2", "img3"]
    run = made(tmp_path / "a", 1, images, [*TWO, "folds.scheme=image"])
    # Without groups there are none that a split by image could divide.
    assert why_not_pooled([run]) == ""
    run.write_task(replace(FRUIT, has_groups=True))
    run = Run.at(str(tmp_path / "a"))
    why = f"{run} was trained on images of the groups that it held out (folds.scheme=image)"
    assert why_not_pooled([run]) == why
    assert pool([run], Combining("logits")) == why


def test_groups_of_one_label_are_means(tmp_path: Path) -> None:
    write_run(tmp_path / "a", IDS, np.zeros((2, 2, 4)), TWO, task=FRUIT)
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    groups = ["p", "q", "p", "r", "r"]
    run = write_held_out(tmp_path / "a", [1, 2, 1, 0, 3], logits, groups, [1, 0, 1, 0, 0])
    rows = pooled([run], Combining("logits", by_group=True)).combined()
    np.testing.assert_allclose(rows.logits[0], logits[[0, 2]].astype(float).mean(axis=0))
    assert rows.labels.tolist() == [1, 2]  # r has two labels
    assert rows.folds.tolist() == [1, 0]
    assert rows.groups.tolist() == [0, 1]


def test_why_there_are_none(tmp_path: Path) -> None:
    write_run(tmp_path / "all", IDS, np.zeros((1, 2, 4)), ["folds.scheme=all"], task=FRUIT)
    write_run(tmp_path / "open", IDS, np.zeros((2, 2, 4)), TWO, task=FRUIT)
    runs = [Run.at(str(tmp_path / name)) for name in ("all", "open")]
    assert "no held-out images (folds.scheme=all)" in why_not_pooled(runs[:1])
    assert "not all folds of" in why_not_pooled(runs[1:])
    first, other = made(tmp_path / "a", 1, ["img0", "img1"]), made(tmp_path / "b", 1, ["img2"])
    assert pool([first, other], Combining("logits")) == "the runs held out no image in common"
    run = write_held_out(tmp_path / "open", [0, 1], np.zeros((2, 4)), ["p", "p"], [0, 1])
    why = pool([run], Combining("logits", by_group=True))
    assert why == "no group's held-out images have one label"
