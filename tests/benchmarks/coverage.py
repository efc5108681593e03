"""How often 95 % intervals cover the truth, where it is known: python -m tests.benchmarks.coverage.

A model of groups with errors of their own is drawn again and again; what a metric is worth on all that
could be drawn is computed from 400,000 groups. Of each draw, intervals are computed by several methods
from the same resamples of its groups.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm, t

from maskcls.core.tally import Tally
from maskcls.core.task import MetricName, Part, Task
from maskcls.statistics.intervals import bca
from maskcls.statistics.measures import measure_of
from maskcls.statistics.resampling import estimate, replicates, without_blocks
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]
TAILS = np.array([0.025, 0.975])


@dataclass(frozen=True)
class Model:
    """What rows are drawn from.

    shares: of the classes of groups, K / 3 of them if each image has one of three states (5 : 1 : 1),
    else K. mean_size: images of a group; unequal: their numbers are spread over a factor of 30.
    margin: of the true class's logit. of_group, of_image: standard deviation of the error that a
    group's images share, and of each one's own.
    """

    name: str
    groups: int
    shares: tuple[float, ...]
    states: bool = False
    unequal: bool = False
    mean_size: int = 7
    margin: float = 2.0
    of_group: float = 1.0
    of_image: float = 0.7

    @property
    def task(self) -> Task:
        """A task of these classes, ranked by macro F1."""
        num = len(self.shares) * (3 if self.states else 1)
        names = tuple(f"{number:02}" for number in range(num))
        return Task("drawn", (Part("label", names),), also=("auc",), has_groups=True)

    def draw(self, seed: int, groups: int | None = None) -> Rows:
        """Rows of so many groups."""
        rng = np.random.default_rng([7, seed])
        count = groups or self.groups
        sizes = np.full(count, self.mean_size)
        if self.unequal:
            sizes = np.maximum(1, rng.lognormal(np.log(self.mean_size) - 0.5, 1, count)).astype(int)
        codes = np.repeat(np.arange(count), sizes)
        own = rng.choice(len(self.shares), count, p=np.array(self.shares) / sum(self.shares))
        classes = len(self.shares)
        # Errors in the group's class, shared by its images.
        logits = rng.normal(0, self.of_group, (count, classes)).astype(np.float32)[codes]
        labels = own[codes]
        if self.states:
            state = rng.choice(3, len(codes), p=[5 / 7, 1 / 7, 1 / 7])
            of_state = np.zeros((len(codes), 3), np.float32)
            of_state[np.arange(len(codes)), state] = 3.0
            logits[np.arange(len(codes)), labels] += self.margin
            logits = (of_state[:, :, None] + logits[:, None, :]).reshape(len(codes), -1)
            labels = state * classes + labels
        else:
            logits[np.arange(len(codes)), labels] += self.margin
        logits += rng.normal(0, self.of_image, logits.shape).astype(np.float32)
        return Rows(labels, logits, codes, np.zeros(len(codes), np.int64))

    def truth(self) -> dict[MetricName, float]:
        """Each metric of 400,000 groups, drawn in parts."""
        task, parts = self.task, 20
        drawn = (self.draw(1_000_000 + part, 20_000) for part in range(parts))
        if "auc" not in self.metrics:
            task = replace(task, also=())
        return Tally.together(
            task, [Tally.of(task, rows.labels, rows.logits) for rows in drawn]
        ).values()  # fmt: skip

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """Those that are looked at."""
        return ("macro_f1", "accuracy", "auc")


SIX = (0.22, 0.16, 0.03, 0.29, 0.24, 0.06)
"""Gender x age of the mask competition's people, about."""
MODELS = (
    Model("2 classes, equal groups", 200, (0.5, 0.5)),
    Model("2 classes, a rare one, unequal groups", 200, (0.95, 0.05), unequal=True),
    Model("2 classes, 40 groups", 40, (0.5, 0.5), unequal=True),
    Model("18 classes, equal groups", 400, SIX, states=True),
    Model("18 classes, 120 unequal groups", 120, SIX, states=True, unequal=True),
    Model("6 classes, a very rare one, each image its own", 1_000, (0.3, 0.3, 0.2, 0.1, 0.09, 0.01),
          mean_size=1),
)  # fmt: skip


def percentile(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """Quantiles of the resamples."""
    return np.asarray(np.quantile(drawn, TAILS))


def basic(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """The same, mirrored at the estimate."""
    return np.asarray(2 * value - np.quantile(drawn, TAILS[::-1]))


def plain_bca(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """Efron's, with the normal distribution's quantiles."""
    return _of(bca(np.array([value]), drawn[:, None], left_out[:, None], by_t=False))


def bias_corrected(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """BCa without acceleration."""
    bias = norm.ppf(np.clip((drawn < value).mean(), 1e-4, 1 - 1e-4))
    return np.asarray(np.quantile(drawn, norm.cdf(2 * bias + norm.ppf(TAILS))))


def accelerated(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """BCa with quantiles of Student's t."""
    return _of(bca(np.array([value]), drawn[:, None], left_out[:, None]))


def as_shares(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """The product's: each end the farther one of that and of an interval on the logit scale."""
    return _of(bca(np.array([value]), drawn[:, None], left_out[:, None], shares=True))


def normal(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """The estimate less its bias, and quantiles of Student's t times the spread of the resamples."""
    middle = 2 * value - drawn.mean()
    return np.asarray(middle + t.ppf(TAILS, len(left_out) - 1) * drawn.std(ddof=1))


def jackknife(value: float, drawn: Float64, left_out: Float64) -> Float64:
    """The same with the jackknife's bias and spread."""
    count = len(left_out)
    apart = left_out - left_out.mean()
    middle = count * value - (count - 1) * left_out.mean()
    spread = np.sqrt((count - 1) / count * (apart**2).sum())
    return np.asarray(middle + t.ppf(TAILS, count - 1) * spread)


def _of(found: Sequence[object]) -> Float64:
    (one,) = found
    return np.array([one.low, one.high])  # type: ignore[attr-defined]


METHODS: dict[str, Callable[[float, Float64, Float64], Float64]] = {
    "used": as_shares,
    "BCa with t": accelerated,
    "BCa": plain_bca,
    "BC": bias_corrected,
    "percentile": percentile,
    "basic": basic,
    "normal": normal,
    "jackknife": jackknife,
}


@dataclass(frozen=True)
class Covered:
    """Share of draws in which an interval covered, lay below the truth, and above; its mean width."""

    covers: float
    too_low: float
    too_high: float
    width: float


def coverage(
    model: Model, metric: MetricName, truth: float, draws: int, resamples: int,
    methods: Sequence[str] = tuple(METHODS),
) -> dict[str, Covered]:  # fmt: skip
    """Of each method."""
    found: dict[str, list[Float64]] = {name: [] for name in methods}
    for seed in range(draws):
        rows = model.draw(seed)
        measure, groups = measure_of(model.task, rows, metric), rows.num_groups
        value = float(estimate(measure, groups))
        drawn = replicates(measure, groups, resamples, seed)
        left_out = without_blocks(measure, groups, seed)
        for name in methods:
            found[name].append(METHODS[name](value, drawn[np.isfinite(drawn)], left_out))
    covered = {}
    for name, pairs in found.items():
        low, high = np.array(pairs).T
        covered[name] = Covered(
            float(((low <= truth) & (truth <= high)).mean()),
            float((high < truth).mean()), float((low > truth).mean()), float((high - low).mean()),
        )  # fmt: skip
    return covered


def main() -> None:
    """Print a table for each model."""
    ask = argparse.ArgumentParser(prog="python -m tests.benchmarks.coverage", description=__doc__)
    ask.add_argument("--draws", type=int, default=500)
    ask.add_argument("--resamples", type=int, default=2_000)
    ask.add_argument("--models", default="", help="numbers of models, such as 0,3 (default: all)")
    args = ask.parse_args()
    least, most = binom.ppf([0.005, 0.995], args.draws, 0.95) / args.draws
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}")
    print(
        f"of {args.draws} draws, 95 % would be covered in {least:.3f} to {most:.3f} (99 % of cases)"
    )
    chosen = [int(number) for number in args.models.split(",") if number]
    for model in [MODELS[number] for number in chosen] or MODELS:
        truths = model.truth()
        for metric in model.metrics:
            started = time.monotonic()
            found = coverage(model, metric, truths[metric], args.draws, args.resamples)
            shown = "  ".join(
                f"{name} {one.covers:.3f} (-{one.too_low:.3f} +{one.too_high:.3f}) {one.width:.4f}"
                for name, one in found.items()
            )
            seconds = time.monotonic() - started
            print(
                f"{model.name} | {metric} {truths[metric]:.4f} | {shown} | {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
