"""How often the comparison of two runs is right, on made-up runs of known truth.

`python -m tests.benchmarks.comparison [DRAWS]` prints, for runs whose true difference is 0, how often it
is claimed and how often the interval covers; whether p is uniform; and how often a true difference is
found. At the end 20 pairs of real small networks that differ in their seed alone.
"""

import sys
import time
import warnings
from typing import Any

import numpy as np
from scipy.stats import binomtest, kstest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from maskcls.core.task import Part, Task
from maskcls.statistics.paired import Paired, paired_difference
from maskcls.statistics.rows import Rows
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT

EIGHTEEN = Task("eighteen", (Part("label", tuple(f"c{k:02}" for k in range(18))),))
RESAMPLES = 500
NOISE = (0.0, 0.2, 0.4, 0.8, 1.6)


def main(draws: int) -> None:
    """Print the tables; draws: made-up comparisons of each line."""
    print(f"{draws} draws, {RESAMPLES} resamples, 5 folds, 100 groups of 4, 4 classes")
    print(f"{'truth 0':<44} {'claimed':>8} {'covered':>8} {'by groups':>10} {'width':>6}")
    for seeds in (1, 2, 3):
        for noise in NOISE:
            _line(f"{seeds} seeds, training noise {noise}", draws, training=noise, seeds=seeds)
    for seeds in (1, 3):
        for noise in (0.0, 0.4):
            name = f"{seeds} seeds, noise {noise}, other people right"
            _line(name, draws, training=noise, seeds=seeds, personal=0.8)
    many = {"task": EIGHTEEN, "num_classes": 18, "num_groups": 150, "per_group": 7}
    for seeds in (1, 3):
        for noise in (0.0, 0.4):
            _line(f"{seeds} seeds, noise {noise}, 18 classes", draws // 2, training=noise, seeds=seeds,
                  **many)  # fmt: skip
    print(f"\n{'truth not 0':<44} {'claimed':>8} {'':>8} {'by groups':>10} {'width':>6}")
    for seeds in (1, 3):
        for noise in (0.0, 0.2, 0.4):
            name = f"{seeds} seeds, training noise {noise}, better by .05"
            _line(name, draws, training=noise, seeds=seeds, shifts=(0.0, 0.25))
    with warnings.catch_warnings():  # the networks are meant to be small, and stop early
        warnings.simplefilter("ignore", ConvergenceWarning)
        _real_pairs()


def _real_pairs(pairs: int = 20) -> None:
    """Multilayer perceptrons on scikit-learn's digits; neighbours in the file are taken as a group."""
    pixels, labels = load_digits(return_X_y=True)
    groups = np.arange(len(labels)) // 6
    fold = groups % 5
    task = Task("digits", (Part("label", tuple("0123456789")),))

    def trained(seed: int) -> Rows:
        logits = np.zeros((len(labels), 10), np.float32)
        for held_out in range(5):
            inside = fold == held_out
            network = MLPClassifier(
                (8,), max_iter=15, learning_rate_init=0.01, random_state=seed * 5 + held_out
            )
            network.fit(pixels[~inside] / 16, labels[~inside])
            logits[inside] = np.log(network.predict_proba(pixels[inside] / 16) + 1e-9)
        return Rows(labels, logits, groups.astype(np.int64), fold.astype(np.int64))

    found = [
        paired_difference(task, [trained(2 * pair)], [trained(2 * pair + 1)])
        for pair in range(pairs)
    ]
    claimed = sum(one.is_claimed for one in found)
    of_groups = sum(one.p_trained < 0.05 for one in found)
    print(
        f"\n{pairs} pairs of real networks of two seeds: {claimed} claimed, {of_groups} by groups alone"
    )


def _line(name: str, draws: int, task: Task = FRUIT, num_groups: int = 100, **made: Any) -> None:
    started = time.perf_counter()
    found = [
        paired_difference(task, *made_up_sides(seed, num_groups, **made), resamples=RESAMPLES)
        for seed in range(draws)
    ]
    claimed = sum(one.is_claimed for one in found)
    covered = np.mean([one.interval.low <= 0 <= one.interval.high for one in found])
    of_groups = np.mean([one.p_trained < 0.05 for one in found])
    width = np.mean([one.interval.high - one.interval.low for one in found])
    verdict = ""
    if "shifts" not in made:
        chance = binomtest(claimed, draws, 0.05, alternative="greater").pvalue
        verdict = f"{'ok' if chance > 0.01 else 'too many'}, p uniform: {_uniform(found)}"
    print(
        f"{name:<44} {claimed / draws:8.3f} {covered:8.3f} {of_groups:10.3f} {width:6.3f}  {verdict}"
        f"  {time.perf_counter() - started:.0f} s",
        flush=True,
    )


def _uniform(found: list[Paired]) -> str:
    of_groups = kstest([one.p_trained for one in found], "uniform").pvalue
    return f"{kstest([one.p for one in found], 'uniform').pvalue:.2f} (by groups {of_groups:.2f})"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
