"""The screen of `ensemble --select`, and of runs and folds that lag behind."""

from typing import Any

from maskcls.cli.selection_text import selection_lines

SELECTION: dict[str, Any] = {
    "metric": "macro_f1", "weights": {"a": 3, "b": 0, "c": 1}, "used": "greedy",
    "gain_over_best": 0.03, "interval_over_best": [0.01, 0.05],
    "gain_over_mean": 0.02, "interval_over_mean": [0.005, 0.035],
    "in_sample": {"gain_over_best": 0.04, "gain_over_mean": 0.025},
    "images": 7000, "images_not_shared": 0, "groups": 1000,
}  # fmt: skip
COMPARISON: dict[str, Any] = {
    "metric": "macro_f1", "ensemble": 0.44, "gain": 0.02, "interval": [0.01, 0.03],
    "best_member": {"run": "a", "score": 0.42}, "harmful_runs": [], "low_folds": [],
    "images": 7000, "images_not_shared": 12, "groups": 1000,
}  # fmt: skip


def lines(**provenance: Any) -> list[str]:
    return list(selection_lines(provenance))


def test_the_nested_gain_is_first_and_the_one_in_sample_behind_it() -> None:
    assert lines(selection=SELECTION) == [
        "greedy selection among 3 runs by macro F1 on 7,000 held-out images of 1,000 groups; on groups"
        " that it was not chosen on it gains",
        "  +0.0300 [0.0100, 0.0500] over the best single run; in sample +0.0400",
        "  +0.0200 [0.0050, 0.0350] over the mean of all runs; in sample +0.0250",
        "  weights: a 3, c 1",
        "  left out: b",
    ]


def test_a_selection_that_is_not_used_shows_no_weights() -> None:
    refused = SELECTION | {"used": "mean", "gain_over_best": None, "interval_over_best": None}
    found = lines(selection=refused)
    assert found[1].startswith("  - over the best single run")
    assert "so the mean of all is used" in found[-1]
    assert not any("weights" in line or "left out" in line for line in found)


def test_the_ensemble_against_its_best_member() -> None:
    assert lines(comparison=COMPARISON) == [
        "out-of-fold: macro F1 0.4400 on 7,000 held-out images of 1,000 groups (12 that not all runs"
        " have are left out), +0.0200 [0.0100, 0.0300] over its best member, a (0.4200)"
    ]


def test_scores_have_intervals_and_what_was_scored_is_named() -> None:
    best = COMPARISON["best_member"] | {"interval": [0.39, 0.45]}
    known = COMPARISON | {"ensemble_interval": [0.41, 0.47], "best_member": best}
    (line,) = lines(comparison=known)
    assert line.startswith("out-of-fold: macro F1 0.4400 [0.4100, 0.4700] on 7,000 held-out")
    assert line.endswith("over its best member, a (0.4200 [0.3900, 0.4500])")
    alone = COMPARISON | {"groups": 7000, "images_not_shared": 0}
    assert "7,000 held-out images, each a group of its own, +0.02" in lines(comparison=alone)[0]
    by_group = COMPARISON | {"groups": 900, "groups_of_several_labels": 3}
    assert (
        "on the means of 900 groups in 7,000 held-out images (12 that not all runs have and 3 groups"
        " with several labels are left out), " in lines(comparison=by_group)[0]
    )


def test_worse_than_its_best_member_and_a_run_that_harms_it() -> None:
    harmful = {"run": "b", "gain_without": 0.09, "p_adjusted": 0.0012}
    worse = COMPARISON | {"gain": -0.02, "interval": [-0.03, -0.01], "harmful_runs": [harmful]}
    assert lines(comparison=worse)[1:] == [
        "a alone is better than the ensemble",
        "b makes it worse: without it the ensemble gains 0.0900 (p 0.0012)",
    ]
    unsure = worse | {"interval": [-0.03, 0.01]}
    assert not any("alone is better" in line for line in lines(comparison=unsure))


def test_a_low_fold_is_named_with_its_repeat() -> None:
    low = {"run": "a", "fold": 2, "repeat": 0, "score": 0.2, "others": 0.4, "p_adjusted": 0.01}
    found = lines(comparison={"low_folds": [low, low | {"repeat": 1}]})
    assert found[0].startswith("a fold 2: 0.2000 on its held-out images, the other folds 0.4000")
    assert found[1].startswith("a fold 2 repeat 1: ")


def test_without_both_nothing_is_said() -> None:
    assert lines() == []
    assert lines(comparison={"why": "not collected"}) == []
