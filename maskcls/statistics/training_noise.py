"""Training noise: how much a difference of two runs would change with networks of other seeds.

A bootstrap over groups keeps the trained networks, so it cannot tell a better setting from a luckier
seed. The networks of folds and seeds are trained independently of each other (every random stream has
the fold and the seed in its name), so what they differ by, beyond what their images explain, is training
noise:

    several seeds    between the seeds' networks of a fold
    one seed each    between the folds: a random effect of the fold (DerSimonian & Laird 1986), whose
                     variance is what the variance by folds exceeds that by groups

Few networks estimate it badly: of five folds, an excess cut off at 0 misses it every third time. So what
is added makes an interval at least as wide as Student's t of the folds' (or seeds') networks alone, that
holds however much of the variance is training; the one by groups is the least. A difference of equal
settings is then claimed at most as often as the level allows. The price: where there is no noise, five
folds with one seed each give intervals that are 1.2 times as wide as by groups. More seeds narrow them.
`python -m tests.benchmarks.comparison` measures all of this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from maskcls.statistics.measures import Measure
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Maker = Callable[[Rows], Measure]
"""Makes of rows the values [B] or [B, M] at weights [B, G]."""
Source = Literal["seeds", "folds"]
_MOST_BLOCKS = 500
_AT_ONCE = 16
_STEP = 0.01
"""Of a group's weight, for derivatives."""


@dataclass(frozen=True)
class TrainingNoise:
    """Of the difference of M values.

    deviation: its standard deviation, estimated [M]. added: standard deviation of what an interval is
    widened by [M], which allows for how badly few networks estimate it. source: what it was measured on;
    None: on nothing, since there is one seed each and one fold.
    """

    deviation: Float64
    added: Float64
    source: Source | None

    def drawn(self, resamples: int, seed: int) -> Float64:
        """Noise of each resample, [resamples, M]."""
        rng = np.random.default_rng([seed, 2])
        return np.asarray(rng.standard_normal((resamples, len(self.added))) * self.added)


@dataclass(frozen=True)
class _Variance:
    """Between independent networks and, of it, by their images [M]; freedom: of the former."""

    between: Float64
    by_images: Float64
    freedom: int


def noise_of(make: Maker, a: Sequence[Rows], b: Sequence[Rows], level: float) -> TrainingNoise:
    """The training noise of b's mean minus a's; a, b: see paired.paired_differences."""
    several = len(a) + len(b) > 2
    found = _of_sides(make, a, b) if several else _of_folds(make, a[0], b[0])
    if not found.freedom:
        return TrainingNoise(np.zeros_like(found.between), np.zeros_like(found.between), None)
    tail = (1 + level) / 2
    scale = (t.ppf(tail, found.freedom) / norm.ppf(tail)) ** 2
    deviation, added = (
        np.sqrt(np.maximum(factor * found.between - found.by_images, 0)) for factor in (1, scale)
    )
    return TrainingNoise(deviation, added, "seeds" if several else "folds")


def _of_folds(make: Maker, a: Rows, b: Rows) -> _Variance:
    def difference(weights: npt.NDArray[Any]) -> Float64:
        return columns(of_b(weights)) - columns(of_a(weights))

    of_a, of_b = make(_in_cells(a)), make(_in_cells(b))
    if (a.folds == b.folds).all():
        return _between_folds(difference, a)
    # Each has folds of its own, whose networks share nothing.
    one, other = _between_folds(of_a, a), _between_folds(of_b, b)
    return _Variance(
        one.between + other.between,
        one.by_images + other.by_images,
        min(one.freedom, other.freedom),
    )


def _between_folds(measure: Measure, rows: Rows) -> _Variance:
    fold_of = _cells(rows)[1]
    by_images = _clustered(_slopes(measure, _blocks(len(fold_of))))
    return _Variance(_clustered(_slopes(measure, fold_of)), by_images, _num_folds(rows) - 1)


def _of_sides(make: Maker, a: Sequence[Rows], b: Sequence[Rows]) -> _Variance:
    found = [_between_seeds(make, side) for side in (a, b) if len(side) > 1]
    freedom = [one.freedom for one in found]
    # Of one network each; pooled, so that a side with one seed has the noise of the other one.
    between = np.average([one.between for one in found], axis=0, weights=freedom)
    by_images = np.average([one.by_images for one in found], axis=0, weights=freedom)
    shares = 1 / len(a) + 1 / len(b)
    return _Variance(between * shares, by_images * shares, sum(freedom))


def _between_seeds(make: Maker, side: Sequence[Rows]) -> _Variance:
    """Of the values of one run."""
    folds, count = side[0].folds, len(side)
    values, between = [_at_once(make, rows) for rows in side], []
    for fold in np.unique(folds):
        # What a fold's networks of each seed make of the runs of all seeds.
        of_seed = [_exchanged(make, side, values, folds == fold, one) for one in range(count)]
        between.append(np.var(of_seed, axis=0, ddof=1))
    blocks = _blocks(len(_cells(side[0])[1]))
    slopes = [_slopes(make(_in_cells(rows)), blocks) for rows in side]
    by_images = np.var(slopes, axis=0, ddof=1).sum(axis=0)
    return _Variance(np.sum(between, axis=0), by_images, len(between) * (count - 1))


def _exchanged(
    make: Maker, side: Sequence[Rows], values: Sequence[Float64], inside: Bool, seed: int
) -> Float64:
    """Mean values of the runs when the rows inside a fold [N] are those of one seed, [M].

    The rows are exchanged themselves, not their weights: AUC must rank within what is there. values: of
    the runs as they are.
    """
    own = side[seed].logits
    found = [
        values[seed]
        if run == seed
        else _at_once(make, rows.with_logits(np.where(inside[:, None], own, rows.logits)))
        for run, rows in enumerate(side)
    ]
    return np.asarray(np.mean(found, axis=0))


def _at_once(make: Maker, rows: Rows) -> Float64:
    """The values of rows, each of which counts once, [M]."""
    return np.asarray(columns(make(rows)(np.ones((1, rows.num_groups))))[0])


def stacked(runs: Sequence[Rows]) -> Rows:
    """The rows of several runs as one; the groups of run r are numbered from r G."""
    size = runs[0].num_groups
    return Rows(
        np.concatenate([rows.labels for rows in runs]),
        np.concatenate([rows.logits for rows in runs]),
        np.concatenate([rows.groups + r * size for r, rows in enumerate(runs)]),
        np.concatenate([rows.folds for rows in runs]),
    )


def columns(values: Float64) -> Float64:
    """Values [B] or [B, M] as [B, M]."""
    return values.reshape(len(values), -1)


def _num_folds(rows: Rows) -> int:
    return len(np.unique(rows.folds))


def _cells(rows: Rows) -> tuple[Int64, Int64]:
    """Number of each row's cell [N], and each cell's fold [C]; a cell: a group's rows in one fold."""
    _, fold = np.unique(rows.folds, return_inverse=True)
    size = int(fold.max(initial=0)) + 1
    found, cells = np.unique(rows.groups * size + fold, return_inverse=True)
    return cells.astype(np.int64), (found % size).astype(np.int64)


def _in_cells(rows: Rows) -> Rows:
    return Rows(rows.labels, rows.logits, _cells(rows)[0], rows.folds)


def _blocks(count: int) -> Int64:
    """Numbers 0..J-1 of at most 500 blocks that cells are drawn into, [count]."""
    drawn = np.random.default_rng([count, 3]).permutation(count)
    return np.asarray(drawn % min(count, _MOST_BLOCKS), dtype=np.int64)


def _slopes(measure: Measure, block_of: Int64) -> Float64:
    """How the values change with the weight of each block, [J, M]; block_of: of each cell [C]."""
    count, found = int(block_of.max()) + 1, []
    for start in range(0, count, _AT_ONCE):
        inside = block_of == np.arange(start, min(start + _AT_ONCE, count))[:, None]
        up, down = (columns(measure(1 + step * inside)) for step in (_STEP, -_STEP))
        found.append((up - down) / (2 * _STEP))
    return np.nan_to_num(np.concatenate(found))


def _clustered(slopes: Float64) -> Float64:
    """Variance of the values by a linear approximation whose blocks are independent, [M]."""
    count = len(slopes)
    return np.asarray((slopes**2).sum(axis=0) * count / max(count - 1, 1))
