"""Files of equal bytes: their groups must be one, or an image is in training and validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from maskcls.core.hashing import digest_of_bytes
from maskcls.core.names import some
from maskcls.folds.class_counts import Int64

_SHOWN_SETS = 10


@dataclass(frozen=True)
class EqualFiles:
    """What `find_equal_files` found.

    group_of_row: the group of each image after joining, int64 [N], as the code that the first of the
    joined groups had (codes are in the order of the groups' names). num_files: images that share their
    bytes with another, in num_sets sets. num_joined: groups that went into another. two_labels: of sets
    whose labels differ, such as "apple/1.png (apple), pear/7.png (pear)": the first ten of
    num_two_labels.
    """

    group_of_row: Int64
    num_files: int
    num_sets: int
    num_joined: int
    num_two_labels: int
    two_labels: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What to tell of it; [] without equal files."""
        if not self.num_sets:
            return []
        sets = "1 set" if self.num_sets == 1 else f"{self.num_sets:,} sets"
        found = [f"same bytes: {self.num_files:,} images in {sets}"]
        if self.num_joined:
            groups = "1 group" if self.num_joined == 1 else f"{self.num_joined:,} groups"
            found[0] += f"; {groups} joined others, so that each set is in one fold"
        found += [f"same bytes, different labels: {text}" for text in self.two_labels]
        if (more := self.num_two_labels - len(self.two_labels)) > 0:
            found.append(f"same bytes, different labels: {more:,} more sets")
        return found


def find_equal_files(
    digests: npt.NDArray[np.uint8],
    group_of_row: npt.ArrayLike,
    labels: npt.ArrayLike,
    paths: "pd.Series[str]",
    classes: Sequence[str],
) -> EqualFiles:
    """Find images of equal bytes and join their groups.

    digests: of each file's bytes, uint8 [N, D], D a multiple of 8; the digest of no bytes at all, which
    files that cannot be read have, equals nothing. group_of_row: codes [N]; labels: [N], of `classes`.
    """
    group = np.asarray(group_of_row).astype(np.int64)
    label = np.asarray(labels).astype(np.int64)
    rows, starts = _sets(digests)
    if not len(starts):
        return EqualFiles(group, 0, 0, 0, 0, ())
    length = np.diff(starts, append=len(rows))
    joined = _join(group, rows, np.repeat(rows[starts], length))
    lowest = np.minimum.reduceat(label[rows], starts)
    two = np.flatnonzero(lowest != np.maximum.reduceat(label[rows], starts))
    # In the order of their first paths, which is the order of rows.
    two = two[np.argsort(rows[starts[two]])]
    texts = []
    for number in two[:_SHOWN_SETS].tolist():
        mine = rows[starts[number] : starts[number] + length[number]]
        # One of each label first: only three are shown.
        one_each = np.unique(label[mine], return_index=True)[1]
        shown = [*mine[np.sort(one_each)], *np.delete(mine, one_each)]
        texts.append(some([f"{paths.iloc[row]} ({classes[label[row]]})" for row in shown]))
    num_before, num_after = len(np.unique(group)), len(np.unique(joined))
    return EqualFiles(
        joined, len(rows), len(starts), num_before - num_after, len(two), tuple(texts)
    )


def with_groups_joined(
    images: pd.DataFrame, groups: pd.DataFrame, group_of_row: Int64
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames images and groups with the groups of `EqualFiles.group_of_row`.

    A joined group has the name of the first of its groups in NFC order, and that one's other values;
    num_images is counted anew.
    """
    kept, codes = np.unique(group_of_row, return_inverse=True)
    new = groups.iloc[kept].reset_index(drop=True)
    new["num_images"] = np.bincount(codes).astype(np.int32)
    kind = pd.CategoricalDtype(pd.Index(new["group"]))
    column = pd.Categorical.from_codes(codes.astype(np.int32), dtype=kind)
    return images.assign(group=column), new


def rows_among(
    digests: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Whether each file's bytes are also those of one of the others, bool [N]; digests: uint8 [N, D] and
    [M, D], as for `find_equal_files`."""
    found: npt.NDArray[np.bool_] = np.isin(_as_items(digests), _as_items(others))
    empty = np.frombuffer(digest_of_bytes(b""), np.uint8)
    found &= (digests != empty).any(axis=1)
    return found


def _as_items(digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
    """A digest as one item of raw bytes, which NumPy compares whole, [N]."""
    return np.ascontiguousarray(digests).view(np.dtype((np.void, digests.shape[1])))[:, 0]


def _sets(digests: npt.NDArray[np.uint8]) -> tuple[Int64, Int64]:
    """Rows that share their digest with another, set by set and rising within each, int64 [M]; and
    where each set starts."""
    words = np.ascontiguousarray(digests).view(np.uint64)
    order = np.lexsort(words.T)
    same = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    empty = np.frombuffer(digest_of_bytes(b""), np.uint8)
    if digests.shape[1] == len(empty):
        same &= (digests[order[1:]] != empty).any(axis=1)
    none = np.zeros(min(1, len(order)), bool)
    before, after = np.append(none, same), np.append(same, none)
    first = after & ~before
    in_set = before | after
    starts = np.flatnonzero(first[in_set])
    return order[in_set].astype(np.int64), starts.astype(np.int64)


def _join(group: Int64, rows: Int64, first_of_set: Int64) -> Int64:
    """Group of each row, where the groups of rows and of first_of_set are one; the lowest code each."""
    num = int(group.max()) + 1
    edges = (np.ones(len(rows), np.int8), (group[rows], group[first_of_set]))
    _, component = connected_components(coo_array(edges, shape=(num, num)), directed=False)
    lowest = np.full(num, num, np.int64)
    np.minimum.at(lowest, component, np.arange(num))
    found: Int64 = lowest[component][group]
    return found
