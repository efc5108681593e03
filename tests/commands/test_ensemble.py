"""The final job on made-up runs: every rule, every weight, what is missing and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from maskcls.commands.ensemble import ensemble
from maskcls.core.errors import Exit, UserError
from maskcls.evaluation.ensembling import RULES, Rule
from maskcls.store import tables
from tests.commands.run_factory import logits_for, write_run
from tests.conftest import Heard
from tests.tasks import labels_of

IDS = ["c.jpg", "a.jpg", "b.jpg", "d.jpg"]
TWO = ["folds.count=2"]


@pytest.fixture
def logits() -> np.ndarray:
    """Of two runs of two folds, four images each."""
    return np.random.default_rng(5).normal(size=(2, 2, 4, 18)).astype(np.float32)


@pytest.fixture
def runs(tmp_path: Path, logits: np.ndarray) -> list[str]:
    write_run(tmp_path / "a", IDS, logits[0], TWO)
    write_run(tmp_path / "b", IDS, logits[1], TWO)
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def answers(path: Path) -> list[int]:
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["ImageID", "ans"]
    assert frame["ImageID"].tolist() == IDS
    return list(frame["ans"])


def expected(members: np.ndarray, rule: str, weights: Sequence[float]) -> list[int]:
    """By hand, image by image; members: [M, N, 18]. Equal votes go by the mean probability."""
    if rule == "logits":
        return np.average(members.astype(np.float64), 0, weights).argmax(axis=1).tolist()  # type: ignore[no-any-return]
    probs = softmax(members.astype(np.float64), axis=2)
    mean = np.average(probs, 0, weights)
    if rule == "probs":
        return mean.argmax(axis=1).tolist()  # type: ignore[no-any-return]
    found = []
    labels = np.stack(list(labels_of(np.arange(18)).values()))  # [3, 18]
    for image, images_mean in enumerate(mean):
        votes = np.zeros(18)
        for one, weight in zip(probs[:, image], weights, strict=True):
            if rule == "vote":
                votes[one.argmax()] += weight
                continue
            for task in labels:
                likeliest = np.bincount(task, one).argmax()
                votes += weight * (task == likeliest)
        best = votes >= votes.max() - 1e-9
        found.append(int(np.where(best, images_mean, -1).argmax()))
    return found


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weights", [None, (6.0, 1.5)])
def test_every_rule_and_weight_is_as_by_hand(
    rule: Rule, weights: tuple[float, float] | None, runs: list[str], logits: np.ndarray,
    tmp_path: Path, heard: Heard,
) -> None:  # fmt: skip
    done = ensemble(runs, str(tmp_path / "s.csv"), heard, rule=rule, weights=weights)
    assert done.exit_code == Exit.GOOD
    # Each fold has an equal part of its run's weight.
    shares = [1.0] * 4 if weights is None else [3.0, 3.0, 0.75, 0.75]
    assert answers(tmp_path / "s.csv") == expected(logits.reshape(4, 4, 18), rule, shares)
    provenance = json.loads((tmp_path / "s.csv.provenance.json").read_text())
    assert provenance["rule"] == f"{RULES[rule]}; the largest wins"
    assert provenance["weights"] == (None if weights is None else [6.0, 1.5])
    assert [m.rpartition("/")[2] for m in provenance["members"]] == [
        "a fold 0", "a fold 1", "b fold 0", "b fold 1",
    ]  # fmt: skip
    assert provenance["images"] == 4


def test_a_run_with_more_folds_weighs_no_more_when_weights_are_given(
    tmp_path: Path, heard: Heard
) -> None:
    write_run(tmp_path / "many", IDS, [logits_for([1] * 4, 1.0)] * 4, ["folds.count=4"])
    write_run(tmp_path / "few", IDS, [logits_for([2] * 4, 1.0)] * 2, TWO)
    runs = [str(tmp_path / "many"), str(tmp_path / "few")]

    def found(**options: Any) -> list[int]:
        ensemble(runs, str(tmp_path / "s.csv"), heard, **options)
        return answers(tmp_path / "s.csv")

    assert found() == [1] * 4
    assert found(weights=(1, 1.1)) == [2] * 4
    assert found(weights=(1, 1.1), rule="vote") == [2] * 4
    assert found(weights=(1.1, 1), rule="probs") == [1] * 4


@pytest.mark.parametrize(
    "weights", [(1,), (1, 2, 3), (1, 0), (1, -1), (1, float("nan")), (1, float("inf"))]
)
def test_weights_that_do_not_fit_are_refused(
    weights: tuple[float, ...], runs: list[str], tmp_path: Path, heard: Heard
) -> None:
    with pytest.raises(
        UserError, match=r"^--weights: 2 runs need as many numbers above 0, such as 1:1\.$"
    ):
        ensemble(runs, str(tmp_path / "s.csv"), heard, weights=weights)
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("rule", RULES)
def test_a_image_without_logits_gets_the_most_frequent_class(
    rule: Rule, tmp_path: Path, heard: Heard
) -> None:
    logits = np.stack([logits_for([7, 8, 9, 10], 3.0)] * 2)
    logits[:, 2] = np.nan
    write_run(tmp_path / "a", IDS, logits, TWO, faults={"b.jpg": "the file is empty"})
    done = ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule)
    assert done.exit_code == Exit.DEGRADED
    assert answers(tmp_path / "s.csv") == [7, 8, 4, 10]
    assert done.provenance["fallback"]["class"] == 4
    assert done.provenance["fallback"]["images"] == {"b.jpg": "the file is empty"}
    assert heard.warnings == [
        "b.jpg: the file is empty; answered with class 4 (worn, female, 30-59)"
    ]


@pytest.mark.parametrize("rule", RULES)
def test_a_very_sure_network_is_not_taken_for_a_missing_one(
    rule: Rule, tmp_path: Path, heard: Heard
) -> None:
    # Probabilities of the other classes are 0 in float64, their logarithms -inf.
    write_run(tmp_path / "a", IDS, [logits_for([7, 8, 9, 10], 2000.0)] * 2, TWO)
    done = ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard, rule=rule)
    assert done.exit_code == Exit.GOOD
    assert answers(tmp_path / "s.csv") == [7, 8, 9, 10]


@pytest.mark.parametrize("rule", RULES)
def test_part_by_part_it_is_the_same(
    rule: Rule, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f'{number},"{number}".jpg' for number in range(23)]  # names that CSV has to quote
    logits = np.random.default_rng(7).normal(size=(2, 3, 23, 18)).astype(np.float32)
    logits[:, :, [3, 22]] = np.nan
    faults = {ids[3]: "cut", ids[22]: "empty"}
    runs = [str(tmp_path / name) for name in "ab"]
    for run, values in zip(runs, logits, strict=True):
        write_run(Path(run), ids, values, ["folds.count=3"], faults=faults)
    for name, rows in (("whole", 1000), ("parts", 5)):
        monkeypatch.setattr(tables, "_GROUP_ROWS", rows)
        done = ensemble(runs, str(tmp_path / name), heard, rule=rule)
        assert done.provenance["fallback"]["images"] == faults
        assert done.provenance["images"] == 23
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert pd.read_csv(tmp_path / "parts")["ImageID"].tolist() == ids


def test_a_fold_that_left_a_sound_image_out_is_noticed(tmp_path: Path, heard: Heard) -> None:
    logits = np.zeros((2, 4, 18))
    logits[1, 2] = np.nan
    write_run(tmp_path / "a", IDS, logits, TWO)
    with pytest.raises(RuntimeError, match="lacks logits of 1 images"):
        ensemble([str(tmp_path / "a")], str(tmp_path / "s.csv"), heard)
    assert not (tmp_path / "s.csv").exists()


def test_repeats_and_all_are_members_too(tmp_path: Path, heard: Heard) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 4, 18))
    write_run(tmp_path / "repeated", IDS, logits, [*TWO, "folds.repeats=2"])
    write_run(tmp_path / "all", IDS, logits[:1], ["folds.scheme=all"])
    runs = [str(tmp_path / "repeated"), str(tmp_path / "all")]
    done = ensemble(runs, str(tmp_path / "s.csv"), heard)
    assert [m.rpartition("/")[2] for m in done.provenance["members"]] == [
        "repeated fold 0", "repeated fold 1", "repeated fold 0 repeat 1",
        "repeated fold 1 repeat 1", "all fold 0",
    ]  # fmt: skip
    five = np.concatenate([logits, logits[:1]])
    assert answers(tmp_path / "s.csv") == expected(five, "logits", [1] * 5)


def test_missing_folds_are_refused_or_told(tmp_path: Path, heard: Heard) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 18))
    run = str(tmp_path / "a")
    write_run(tmp_path / "a", IDS, logits, ["folds.count=3"], done=(0, 2))
    with pytest.raises(UserError, match=r"fold 1 of 3 is not done; .*--allow-missing-folds"):
        ensemble([run], str(tmp_path / "s.csv"), heard)
    done = ensemble([run], str(tmp_path / "s.csv"), heard, allow_missing_folds=True)
    assert done.exit_code == Exit.DEGRADED
    assert done.provenance["runs"][0]["missing_folds"] == [1]
    assert answers(tmp_path / "s.csv") == expected(logits[[0, 2]], "logits", [1, 1])
    write_run(tmp_path / "b", IDS, logits, ["folds.count=3"], done=())
    with pytest.raises(UserError, match="nothing to average yet"):
        ensemble([str(tmp_path / "b")], str(tmp_path / "s.csv"), heard, allow_missing_folds=True)


def test_what_must_not_be_averaged_is_refused(
    runs: list[str], logits: np.ndarray, tmp_path: Path, heard: Heard
) -> None:
    out = str(tmp_path / "s.csv")
    write_run(tmp_path / "leaky", IDS, logits[0], [*TWO, "folds.scheme=image"])
    with pytest.raises(UserError, match=r"folds\.scheme=image"):
        ensemble([*runs, str(tmp_path / "leaky")], out, heard)
    with pytest.raises(UserError, match="count double"):
        ensemble([runs[0], runs[0]], out, heard)
    write_run(tmp_path / "others", IDS, logits[0], TWO, fingerprint="others")
    with pytest.raises(UserError, match="made for other eval images"):
        ensemble([*runs, str(tmp_path / "others")], out, heard)
    write_run(tmp_path / "names", ["x.jpg", *IDS[1:]], logits[0], TWO)
    with pytest.raises(UserError, match="2 differ"):
        ensemble([*runs, str(tmp_path / "names")], out, heard)
    write_run(tmp_path / "order", IDS[::-1], logits[0], TWO)
    with pytest.raises(UserError, match="they are in another order"):
        ensemble([*runs, str(tmp_path / "order")], out, heard)
    write_run(tmp_path / "fewer", IDS[:3], logits[0][:, :3], TWO)
    with pytest.raises(UserError, match=r"1 differ, such as d\.jpg"):
        ensemble([*runs, str(tmp_path / "fewer")], out, heard)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="not a run's folder"):
        ensemble([str(tmp_path / "empty")], out, heard)
    assert not (tmp_path / "s.csv").exists()
