"""Files of equal bytes: which there are, and the groups that they join."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.core.hashing import digest_of_bytes
from maskcls.folds.equal_files import EqualFiles, find_equal_files, rows_among, with_groups_joined
from tests.folds.tables import table_of
from tests.tasks import FRUIT


def digests_of(contents: "list[bytes] | list[int]") -> np.ndarray:
    raw = [digest_of_bytes(c if isinstance(c, bytes) else f"{c}".encode()) for c in contents]
    return np.array([np.frombuffer(digest, np.uint8) for digest in raw])


def find(contents: "list[bytes] | list[int]", group: list[int], label: list[int]) -> EqualFiles:
    paths = pd.Series([f"{i}.png" for i in range(len(contents))], dtype="str")
    return find_equal_files(digests_of(contents), group, label, paths, FRUIT.classes)


def test_groups_that_share_bytes_are_joined_along_chains() -> None:
    # 0 and 2 share A, 2 and 4 share B, so that 0, 2 and 4 are one; 1 has C twice itself.
    found = find(
        [b"A", b"C", b"C", b"A", b"B", b"B", b"x", b"y"], [0, 1, 1, 2, 2, 4, 3, 4], [0] * 8
    )
    assert found.group_of_row.tolist() == [0, 1, 1, 0, 0, 0, 3, 0]
    assert (found.num_files, found.num_sets, found.num_joined) == (6, 3, 2)
    assert found.sentences() == [
        "same bytes: 6 images in 3 sets; 2 groups joined others, so that each set is in one fold"
    ]


def test_labels_that_differ_are_named() -> None:
    contents = [b"u", b"A", b"A", b"A", b"A", b"B", b"B", b"C", b"C"]
    found = find(contents, list(range(9)), [0, 1, 1, 1, 2, 3, 3, 0, 3])
    assert found.two_labels == (
        "1.png (banana), 4.png (cherry), 2.png (banana) and 1 more",
        "7.png (apple), 8.png (date)",
    )
    assert found.sentences()[1:] == [f"same bytes, different labels: {t}" for t in found.two_labels]


def test_of_many_sets_with_two_labels_the_first_ten_are_named() -> None:
    found = find([i // 2 for i in range(26)], list(range(26)), [0, 1] * 13)
    assert len(found.two_labels) == 10
    assert found.two_labels[0] == "0.png (apple), 1.png (banana)"
    assert found.sentences()[-1] == "same bytes, different labels: 3 more sets"


def test_files_that_are_among_others_are_found_but_for_unreadable_ones() -> None:
    found = rows_among(
        digests_of([b"a", b"", b"c", b"d"]), digests_of([b"d", b"", b"a", b"a", b"x"])
    )
    assert found.tolist() == [True, False, False, True]


@pytest.mark.parametrize("contents", [[b"a", b"b", b"c"], [b"", b"", b"c"], []])
def test_without_equal_files_nothing_changes(contents: list[bytes]) -> None:
    # Files that cannot be read have the digest of no bytes: they are not each other.
    if contents:
        found = find(contents, [2, 0, 1], [0, 1, 2])
        assert found.group_of_row.tolist() == [2, 0, 1]
        assert found.sentences() == []
    assert (
        find_equal_files(
            np.zeros((0, 16), np.uint8), [], [], pd.Series([], dtype="str"), []
        ).sentences()
        == []
    )


def test_digests_of_any_length() -> None:
    digests = np.zeros((3, 32), np.uint8)
    digests[2, 31] = 1
    paths = pd.Series(["a", "b", "c"], dtype="str")
    found = find_equal_files(digests, [0, 1, 2], [0, 0, 0], paths, FRUIT.classes)
    assert found.group_of_row.tolist() == [0, 0, 2]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30))
def test_equal_files_are_in_one_group_and_only_they_join(rows: list[tuple[int, int]]) -> None:
    content, group = (list(column) for column in zip(*rows, strict=True))
    found = find(content, group, [0] * len(rows)).group_of_row.tolist()
    # The plain way: spread the lowest code until nothing changes.
    wanted = list(group)
    for _ in rows:
        for a in range(len(rows)):
            for b in range(len(rows)):
                if content[a] == content[b] or group[a] == group[b]:
                    wanted[a] = wanted[b] = min(wanted[a], wanted[b])
    assert found == wanted


def test_frames_with_joined_groups() -> None:
    table = table_of(FRUIT, [("a", 0), ("b", 1), ("c", 0), ("c", 2)])
    images, groups = with_groups_joined(table.images, table.groups, np.array([0, 1, 0, 0]))
    assert images["group"].tolist() == ["a", "b", "a", "a"]
    assert images["group"].cat.codes.tolist() == [0, 1, 0, 0]
    assert groups["group"].tolist() == ["a", "b"]
    assert groups["num_images"].tolist() == [3, 1]
    assert groups["num_images"].dtype == np.int32
    assert table.images["group"].tolist() == ["a", "b", "c", "c"]
