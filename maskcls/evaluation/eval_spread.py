"""How far the networks of an ensemble lie apart at the eval images, in what its answers are made of."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from maskcls.evaluation import ensembling
from maskcls.evaluation.by_group import GroupMeans
from maskcls.evaluation.pooled import Combining, Pooled
from maskcls.statistics.averaging import Spread
from maskcls.statistics.calibration import Calibration

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def spread_of(
    pooled: Pooled, numbers: Sequence[int], logits: Float32, groups: npt.NDArray[np.integer] | None,
    calibrations: Mapping[int, Calibration], shift: Float64 | None,
) -> Spread | None:  # fmt: skip
    """The spread of scores that come about as those of pooled.combined: of one network of each split.

    numbers: of the networks, [F]. logits: theirs of some eval images, [F, S, K], NaN rows missing.
    groups: of the images [S], needed where pooled.how.by_group. calibrations: by the network's number,
    none for as they are. shift: [K], see Decided. None where nothing is averaged that could be told: a
    split with one network, votes, answers for groups that are not known.
    """
    how = pooled.how
    if how.rule not in ("logits", "probs") or (how.by_group and groups is None):
        return None
    place_of = {number: place for place, number in enumerate(numbers)}
    of_splits = [
        [place_of[n] for n in np.unique(pooled.own.folds[rows]).tolist() if n in place_of]
        for rows in pooled.splits
    ]
    fewest = min(len(places) for places in of_splits)
    if fewest < 2:
        return None
    named = zip(numbers, logits, strict=True)
    known = np.stack([calibrations[n].apply(z) if n in calibrations else z for n, z in named])
    # A group's images are held out by the same network.
    units = np.arange(logits.shape[1]) if groups is None or not how.by_group else groups
    one, other = (
        _scores(known, chosen, pooled, units, shift) for chosen in _two_choices(of_splits, units)
    )
    there = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    apart = (one[there] - other[there]) / np.sqrt(2)
    return Spread(one[there], apart, fewest)


def _two_choices(
    of_splits: Sequence[Sequence[int]], units: npt.NDArray[np.integer]
) -> tuple[list[Int64], list[Int64]]:
    """For each split and image a network, [S], and another one; of a unit's images the same."""
    rng = np.random.default_rng([13, len(units)])
    count = int(units.max(initial=-1)) + 1
    first, second = [], []
    for places in of_splits:
        one = rng.integers(len(places), size=count)
        other = (one + rng.integers(1, len(places), size=count)) % len(places)
        first.append(np.asarray(places, np.int64)[one][units])
        second.append(np.asarray(places, np.int64)[other][units])
    return first, second


def _scores(
    known: npt.NDArray[np.floating], chosen: Sequence[Int64], pooled: Pooled,
    units: npt.NDArray[np.integer], shift: Float64 | None,
) -> Float64:  # fmt: skip
    how: Combining = pooled.how
    every = np.arange(known.shape[1])
    stacked = np.stack([known[places, every] for places in chosen]).astype(np.float32)
    scores = ensembling.combine(stacked, how.rule, pooled.weights, pooled.task.sizes)
    if shift is not None:
        scores = ensembling.shifted(scores, shift, how.rule)
    if not how.by_group:
        return scores
    is_probs = how.rule == "probs"
    means = GroupMeans(int(units.max(initial=-1)) + 1, scores.shape[1])
    means.add(units, np.exp(scores) if is_probs else scores)
    found = means.means(int(units.max(initial=-1)) + 1)
    with np.errstate(divide="ignore"):
        return np.log(found) if is_probs else found
