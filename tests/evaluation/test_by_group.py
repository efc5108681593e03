"""Means by group: against pandas, in parts, with groups that are mixed, empty or not contiguous."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.evaluation.by_group import GroupCodes, GroupMeans, LabelledGroups, by_group

NAN = float("nan")


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_means_and_labels_are_those_of_pandas(rows: int, groups: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    codes, labels = draw.integers(0, groups, rows), draw.integers(0, 2, rows)
    logits = draw.normal(size=(rows, 4)).astype(np.float32)
    logits[draw.random(rows) < 0.2] = NAN
    found = by_group(labels, logits, codes)
    frame = pd.DataFrame(logits.astype(np.float64)).assign(code=codes, label=labels)
    labels_of = frame.groupby("code")["label"].agg(["min", "max"])
    one = labels_of[labels_of["min"] == labels_of["max"]]
    means = frame.groupby("code")[[0, 1, 2, 3]].mean().loc[one.index].dropna()
    assert found.mixed == len(labels_of) - len(one)
    assert found.labels.tolist() == one.loc[means.index, "min"].tolist()
    np.testing.assert_allclose(found.logits, means.to_numpy(), rtol=1e-12, atol=1e-12)


def test_in_parts_it_is_the_same_to_the_bit() -> None:
    draw = np.random.default_rng(3)
    codes, labels = draw.integers(0, 7, 50), draw.integers(0, 3, 50)
    logits = draw.normal(size=(50, 3)).astype(np.float32)
    parts = LabelledGroups(7, 3)
    for rows in np.split(np.arange(50), [1, 9, 9, 30]):
        parts.add(codes[rows], labels[rows], logits[rows])
    whole = by_group(labels, logits, codes)
    assert parts.result().logits.tobytes() == whole.logits.tobytes()
    assert parts.result().labels.tolist() == whole.labels.tolist()


def test_a_group_of_two_labels_is_counted_and_one_without_logits_left_out() -> None:
    logits = np.array([[1.0, 0], [3.0, 0], [5.0, 1], [NAN, NAN], [7.0, 1]], np.float32)
    found = by_group(np.array([1, 1, 0, 1, 0]), logits, np.array([4, 4, 2, 2, 0]))
    assert found.mixed == 1  # 2: its image without logits has another label
    assert found.labels.tolist() == [0, 1]
    assert found.logits.tolist() == [[7, 1], [2, 0]]
    none = by_group(np.array([1]), np.full((1, 2), NAN), np.array([0]))
    assert (len(none.labels), none.logits.shape, none.mixed) == (0, (0, 2), 0)


def test_groups_may_turn_up_one_by_one() -> None:
    codes, means = GroupCodes(), GroupMeans(0, 1)
    for names, values in ((["b", "a", "b"], [1.0, 2, 3]), ([], []), (["c", "a", "d"], [4, 8, NAN])):
        means.add(codes.of(names), np.array(values, np.float64).reshape(-1, 1))
    assert codes.names == ["b", "a", "c", "d"]
    found = means.means(len(codes.names))
    assert found[:3].tolist() == [[2.0], [5.0], [4.0]]
    assert np.isnan(found[3]).all()


def test_infinite_values_count(recwarn: pytest.WarningsRecorder) -> None:
    means = GroupMeans(1, 2)  # a log-probability may be -inf
    means.add(np.array([0, 0]), np.array([[-np.inf, 0.0], [-1.0, 0.0]]))
    assert means.means(1).tolist() == [[-np.inf, 0.0]]
