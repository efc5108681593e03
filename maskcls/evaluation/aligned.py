"""The held-out rows of several runs that all of them have, in the same order: row by row of a repeat.

For comparing two settings in pairs of networks (compared.py, and studies): an image of another repeat is
another row, of another network. by_image.py takes the mean over an image's repeats, to choose among
runs; pooled.py combines the runs as an ensemble's answers are, to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from maskcls.core.errors import UserError
from maskcls.evaluation.held_out import HeldOut
from maskcls.statistics.rows import Rows, numbered

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """A run's held-out rows, and the repeat of each, int64 [N]; name: as users call the run."""

    name: str
    held_out: HeldOut
    repeats: Int64


@dataclass(frozen=True)
class Aligned:
    """Rows of each run, the same ones; left_out: number of rows that some have, and not all.

    images: distinct ones, of which there is a row in each repeat. same_folds, same_groups: whether the
    runs agree on them; where they do not on groups, groups that share an image in any run are one.
    """

    rows: list[Rows]
    left_out: int
    images: int
    same_folds: bool
    same_groups: bool


def aligned(runs: Sequence[Scored]) -> Aligned:
    """Match the rows by image and repeat.

    Raises UserError where they share none, or where an image has another label in another run.
    """
    places, left_out = _shared(runs)
    rows = [_taken(run.held_out.rows, where) for run, where in zip(runs, places, strict=True)]
    if not len(rows[0]):
        raise UserError(
            f"{runs[0].name} and {runs[-1].name}: no held-out image is in both; compare runs of the"
            " same data."
        )
    for run, own in zip(runs[1:], rows[1:], strict=True):
        if (other := np.flatnonzero(own.labels != rows[0].labels)).size:
            image = runs[0].held_out.images[places[0][other[0]]]
            raise UserError(
                f"{runs[0].name} and {run.name}: {image} has another label in each; compare runs of"
                " the same data."
            )
    names = [
        run.held_out.groups[run.held_out.rows.groups[where]]
        for run, where in zip(runs, places, strict=True)
    ]
    same_groups = all((own == names[0]).all() for own in names[1:])
    groups = numbered(names[0].astype(str)) if same_groups else _joined(list(map(numbered, names)))
    folds = [one.folds for one in rows]
    return Aligned(
        [replace(one, groups=groups) for one in rows],
        left_out,
        len(np.unique(runs[0].held_out.images[places[0]])),
        all((own == folds[0]).all() for own in folds[1:]),
        same_groups,
    )


def _taken(rows: Rows, where: Int64) -> Rows:
    if len(where) == len(rows) and (where == np.arange(len(rows))).all():
        return rows  # as nearly always; the logits of a million rows are not copied
    return Rows(rows.labels[where], rows.logits[where], rows.groups[where], rows.folds[where])


def _shared(runs: Sequence[Scored]) -> tuple[list[Int64], int]:
    """Of each run, the places of the rows that all have, in one order; how many others there are."""
    first = runs[0]
    if all(_same_keys(first, run) for run in runs[1:]):
        return [np.arange(len(first.held_out.rows))] * len(runs), 0
    keys = [_keys(run) for run in runs]
    shared = [key for key in keys[0] if all(key in other for other in keys[1:])]
    places = [np.array([own[key] for key in shared], np.int64) for own in keys]
    return places, len(set().union(*keys)) - len(shared)


def _same_keys(a: Scored, b: Scored) -> bool:
    return np.array_equal(a.held_out.images, b.held_out.images) and np.array_equal(
        a.repeats, b.repeats
    )


def _keys(run: Scored) -> dict[tuple[Any, int], int]:
    pairs = zip(run.held_out.images, run.repeats.tolist(), strict=True)
    return {key: place for place, key in enumerate(pairs)}


def _joined(groupings: Sequence[Int64]) -> Int64:
    """Groups [N] so that rows which are of one group in any of the groupings are of one."""
    size, start = len(groupings[0]), len(groupings[0])
    rows, nodes = [], []
    for groups in groupings:
        rows.append(np.arange(size))
        nodes.append(groups + start)
        start += int(groups.max()) + 1
    edges = (np.concatenate(rows), np.concatenate(nodes))
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(start, start))
    found = connected_components(graph, directed=False)[1][:size]
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def same_answers(a: Sequence[Rows], b: Sequence[Rows]) -> bool:
    """Whether the networks of both sides answer every row alike to the last bit, run by run."""
    both = zip(a, b, strict=False)
    return len(a) == len(b) > 0 and all(np.array_equal(x.logits, y.logits) for x, y in both)
