"""What greedy selection is worth: python -m tests.benchmarks.selection [RUN ...] [--draws N]

Without runs: eight made-up ones of known truth, in five scenarios, each drawn N times. The truth is the
score on 4,000 other people. With runs: their held-out images; the people are divided N times,
weights are chosen on one half and scored on the other.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Part, Task
from maskcls.evaluation.by_image import read_aligned
from maskcls.statistics.harm import low_folds, without_each
from maskcls.statistics.mixtures import Answers
from maskcls.statistics.rows import Rows
from maskcls.statistics.selection import Gain, Selection, fit_selection
from maskcls.store.folder import Folder
from maskcls.store.run import Run

Float64 = npt.NDArray[np.float64]
Rng = np.random.Generator

RUNS, CLASSES, IMAGES = 8, 18, 7
TASK = Task("made-up", (Part("label", tuple(map(str, range(CLASSES)))),), has_groups=True)
SHARES = np.array([0.31, 0.17, 0.12, 0.09, 0.07, 0.05, 0.04, 0.03, 0.03, *[0.01] * 9])


@dataclass(frozen=True)
class Kind:
    """How strong each run's signal is, and which family's error it shares."""

    signal: Float64
    family: npt.NDArray[np.int64]


def alike(rng: Rng) -> Kind:
    """Eight seeds of one setting."""
    return Kind(np.full(RUNS, 1.6), np.arange(RUNS))


def one_bad(rng: Rng) -> Kind:
    """Seven alike, and one that learnt nothing."""
    return Kind(np.array([*[1.6] * 7, 0.0]), np.arange(RUNS))


def mixed(rng: Rng) -> Kind:
    """Settings of different worth."""
    return Kind(rng.uniform(0.8, 1.8, RUNS), np.arange(RUNS))


def one_good(rng: Rng) -> Kind:
    """One, and seven that learnt little."""
    return Kind(np.array([1.6, *[0.3] * 7]), np.arange(RUNS))


def families(rng: Rng) -> Kind:
    """Six of one architecture, which err alike, and two of others."""
    return Kind(np.array([*[1.6] * 6, 1.5, 1.5]), np.array([0, 0, 0, 0, 0, 0, 1, 2]))


SCENARIOS: tuple[Callable[[Rng], Kind], ...] = (alike, one_bad, mixed, one_good, families)


def draw(rng: Rng, kind: Kind, people: int) -> Answers:
    """Logits of people whose images err together; a run's own error, its family's and everybody's."""
    groups = np.repeat(np.arange(people), IMAGES)
    labels = rng.choice(CLASSES, size=len(groups), p=SHARES / SHARES.sum())

    def error(of_group: float, of_image: float) -> Float64:
        drawn = of_group * rng.normal(size=(people, CLASSES))[groups]
        return np.asarray(drawn + of_image * rng.normal(size=(len(groups), CLASSES)))

    common = np.log(SHARES) / 2 + error(0.4, 0.4)
    of_family = [error(0.4, 0.4) for _ in range(int(kind.family.max()) + 1)]
    values = [
        signal * np.eye(CLASSES)[labels] + common + of_family[family] + error(0.2, 0.4)
        for signal, family in zip(kind.signal, kind.family, strict=True)
    ]
    return Answers(labels, np.array(values, np.float32), groups)


def score(task: Task, answers: Answers, weights: Sequence[float]) -> float:
    measure = answers.score_at(task, answers.mean(weights))
    return float(measure(np.ones((1, answers.num_groups)))[0])


@dataclass(frozen=True)
class Outcome:
    """A selection, and the true scores of the mean, of the best single run and of the selection."""

    found: Selection
    mean: float
    best: float
    greedy: float

    @classmethod
    def of(cls, task: Task, chosen_on: Answers, truth: Answers) -> "Outcome":
        found = fit_selection(task, chosen_on)
        single = [float(run == found.best) for run in range(chosen_on.num_runs)]
        every = [1.0] * chosen_on.num_runs
        return cls(found, *(score(task, truth, w) for w in (every, single, found.weights)))


def show(name: str, outcomes: Sequence[Outcome]) -> None:
    over = [one.found.over_mean for one in outcomes]
    true = np.array([one.greedy - one.mean for one in outcomes])
    of_best = [one.found.over_best for one in outcomes]
    best = np.array([one.greedy - one.best for one in outcomes])
    covered = [g.interval.low <= t <= g.interval.high for g, t in zip(over, true, strict=True)]
    rules = {
        "always": np.ones(len(true), bool),
        "gain above 0": np.array([gain.value > 0 for gain in over]),
        "interval above 0": np.array([one.found.is_better for one in outcomes]),
    }
    print(f"{name}: {len(outcomes)} draws; gains over the mean of all: {_signed(over, true)}")
    print(f"  over the best single run: {_signed(of_best, best)}")
    print(f"  the interval over the mean covers the truth in {np.mean(covered):.0%}")
    for rule, used in rules.items():
        gain = np.where(used, true, 0)
        print(
            f"  used {rule}: {used.mean():.0%}, true gain {gain.mean():+.4f}, worst {gain.min():+.4f}"
        )


def _signed(gains: Sequence[Gain], true: Float64) -> str:
    inside, nested = (np.mean([getattr(g, n) for g in gains]) for n in ("in_sample", "value"))
    return f"in sample {inside:+.4f}, nested {nested:+.4f}, true {true.mean():+.4f}"


def of_scenarios(draws: int, people: int) -> None:
    for scenario in SCENARIOS:
        outcomes = []
        named = np.zeros(RUNS)
        for number in range(draws):
            rng = np.random.default_rng([number, 7])
            kind = scenario(rng)
            chosen_on, truth = draw(rng, kind, people), draw(rng, kind, 4_000)
            outcomes.append(Outcome.of(TASK, chosen_on, truth))
            for one in without_each(TASK, chosen_on, [1] * RUNS):
                named[one.run] += one.is_harmful
        show(scenario.__name__, outcomes)
        print("  named as harmful, of each run: " + ", ".join(f"{n / draws:.0%}" for n in named))


def of_folds(draws: int, people: int) -> None:
    """How often a fold is named where all five are alike, and where one is worse."""
    for lower in (0.0, 0.3):
        named, wrong = 0, 0
        for number in range(draws):
            rng = np.random.default_rng([number, 8])
            answers = draw(rng, Kind(np.full(2, 1.6), np.zeros(2, np.int64)), people)
            folds = answers.groups % 5
            own = np.eye(CLASSES, dtype=np.float32)[answers.labels] * (folds == 0)[:, None]
            logits = answers.values[0] - np.float32(lower) * own
            found = low_folds(TASK, [(Rows(answers.labels, logits, answers.groups, folds), 5)])
            named += any(one.is_low and one.fold == 0 for one in found)
            wrong += any(one.is_low and one.fold != 0 for one in found)
        print(
            f"folds of {people // 5} people, fold 0 weaker by {lower}: it is named in"
            f" {named / draws:.1%} of {draws} draws, another one in {wrong / draws:.1%}"
        )


def of_runs(locations: Sequence[str], draws: int) -> None:
    runs = [Run.open(Folder.at(location)) for location in locations]
    aligned = read_aligned(runs)
    values = [
        aligned.mean_by_image(number, one.rows.logits)
        for number, one in enumerate(aligned.held_out)
    ]
    answers = Answers(aligned.labels, np.array(values, np.float32), aligned.groups)
    task = runs[0].task
    started = time.perf_counter()
    found = fit_selection(task, answers)
    print(f"all rows: {found}, {time.perf_counter() - started:.1f} s")
    outcomes = []
    for number in range(draws):
        order = np.random.default_rng([number, 9]).permutation(answers.num_groups)
        half = (order < answers.num_groups // 2)[answers.groups]
        outcomes.append(Outcome.of(task, _where(answers, half), _where(answers, ~half)))
    show("halves", outcomes)


def _where(answers: Answers, rows: npt.NDArray[np.bool_]) -> Answers:
    groups = np.unique(answers.groups[rows], return_inverse=True)[1].astype(np.int64)
    values = answers.values[:, rows]
    return replace(answers, labels=answers.labels[rows], values=values, groups=groups)


def speed() -> None:
    rng = np.random.default_rng(0)
    many = [draw(rng, mixed(rng), 2_700) for _ in range(3)]
    values = np.concatenate([one.values for one in many])[:20]
    # The labels of the first: runs of the others are noise, as slow to score as any.
    answers = replace(many[0], values=values)
    started = time.perf_counter()
    fit_selection(TASK, answers)
    print(f"{answers.values.shape}: {time.perf_counter() - started:.0f} s")


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("runs", nargs="*", metavar="RUN")
    ask.add_argument("--draws", type=int, default=40)
    ask.add_argument("--people", type=int, default=400, help="of the made-up runs")
    args = ask.parse_args()
    print(f"machine: {os.cpu_count()} cores")
    if args.runs:
        of_runs(args.runs, args.draws)
        return 0
    speed()
    of_scenarios(args.draws, args.people)
    of_folds(5 * args.draws, args.people)
    return 0


if __name__ == "__main__":
    sys.exit(main())
