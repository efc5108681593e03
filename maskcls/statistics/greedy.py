"""Greedy selection of an ensemble (Caruana et al. 2004, "Ensemble selection from libraries of models").

Runs are added one after the other, with replacement: each time the one that raises the score of the mean
most. Three measures of the paper against overfitting: it starts from the best runs, as many of them as
score highest together; the best ensemble on the way counts, not the last; and it is repeated on bags,
subsets of the runs, whose ensembles are averaged. The paper's bags are halves of thousands of models; of
eight runs, too many halves lack the best ones (docs/measurements.md), so that here they lack a quarter.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskcls.statistics.mixtures import Mixtures

BAGS = 20
STEPS = 50
WHOLE = 100
"""Weights are whole numbers that add up to this, so that they can be read and given again."""
_PATIENCE = 8
"""Steps without a higher score before a search ends: macro F1 has plateaus."""


def bags(num_runs: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Subsets of the runs: 20, each without a quarter of them; all of up to three runs.

    The four quarters of an order drawn at random are left out in turn, so that no run is in fewer bags
    than another by chance.
    """
    if num_runs <= 3:
        return [tuple(range(num_runs))]
    rng = np.random.default_rng([seed, num_runs])
    found = []
    for _ in range(BAGS // 4):
        for quarter in np.array_split(rng.permutation(num_runs), 4):
            found.append(tuple(np.delete(np.arange(num_runs), quarter).tolist()))
    return found


def select(mixtures: Mixtures, part: int, seed: int = 0) -> list[int]:
    """Weights of the runs, whole numbers [R] with the sum WHOLE, chosen without the rows of a part.

    part: see Mixtures; seed: of the bags.
    """
    shares = np.zeros(mixtures.num_runs)
    for bag in bags(mixtures.num_runs, seed):
        counts = np.array(_search(mixtures, part, bag), np.float64)
        shares += counts / counts.sum()
    return _whole(shares / shares.sum())


def best_single(mixtures: Mixtures, part: int) -> int:
    """The run with the highest score outside of a part; the first of equals."""
    return _sorted(mixtures, part, range(mixtures.num_runs))[0]


def _single(mixtures: Mixtures, run: int) -> list[int]:
    return [int(other == run) for other in range(mixtures.num_runs)]


def _sorted(mixtures: Mixtures, part: int, bag: Sequence[int]) -> list[int]:
    return sorted(bag, key=lambda run: -mixtures.score(_single(mixtures, run), part))


def _search(mixtures: Mixtures, part: int, bag: Sequence[int]) -> list[int]:
    counts, best = _start(mixtures, part, bag)
    found, since = list(counts), 0
    total = mixtures.total(counts)
    while sum(counts) < STEPS and since < _PATIENCE:
        scores = []
        for run in bag:
            counts[run] += 1
            scores.append(mixtures.score(counts, part, total, run))
            counts[run] -= 1
        step = int(np.argmax(scores))
        counts[bag[step]] += 1
        mixtures.add(total, bag[step])
        since += 1
        if scores[step] > best:
            found, best, since = list(counts), scores[step], 0
    return found


def _start(mixtures: Mixtures, part: int, bag: Sequence[int]) -> tuple[list[int], float]:
    """The best runs of a bag, as many as score highest together."""
    counts = [0] * mixtures.num_runs
    total = mixtures.total(counts)
    found, best = counts, -np.inf
    for run in _sorted(mixtures, part, bag):
        counts = [count + (other == run) for other, count in enumerate(counts)]
        score = mixtures.score(counts, part, total, run)
        mixtures.add(total, run)
        if score > best or not any(found):
            found, best = counts, score
    return list(found), best


def _whole(shares: npt.NDArray[np.float64]) -> list[int]:
    """Shares as whole numbers: the largest remainders are rounded up."""
    exact = shares * WHOLE
    found = np.floor(exact).astype(int)
    missing = WHOLE - int(found.sum())
    for run in np.argsort(found - exact, kind="stable")[:missing].tolist():
        found[run] += 1
    return [int(count) for count in found]
