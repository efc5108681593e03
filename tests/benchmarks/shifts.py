"""Known shifts of the class shares, made from a run's out-of-fold table: is the estimate worth it?

    python -m tests.benchmarks.shifts RUN [--splits 3]

The groups are split in halves. One is what the prior and the decision are fitted on. Of the other,
half as many groups are drawn with other shares of the strata (of the classes, for tasks without
strata), which stand for the eval images: their labels judge. Groups of a rare stratum may be drawn
several times. Each image has the logits of the one network that held it out. Gains over argmax: of the
correction alone, always taken where the estimate is used; of --decide auto without a prior, and with it.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import oriented
from maskcls.core.task import Task
from maskcls.evaluation.decided import LEAST_RATIO
from maskcls.evaluation.held_out import read_held_out
from maskcls.statistics.calibration import calibrate_folds
from maskcls.statistics.choice import Corrected, choose
from maskcls.statistics.forecast import forecast
from maskcls.statistics.measures import measure_of
from maskcls.statistics.prior import class_ratio, estimate_prior
from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.run import Run

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
SHIFTS = ("none", "reversed", "uniform", *(f"Dirichlet {n}" for n in range(1, 9)))


@dataclass(frozen=True)
class Outcome:
    """One draw: scores as higher is better; distances of shares are sums of absolute differences."""

    used: bool
    why: str
    before: float
    after: float
    plain: float
    prior: float
    alone: float
    both: float
    covered: bool
    forecast_error: float


def shares_of(shift: str, training: Float64, rng: np.random.Generator) -> Float64:
    """The shares [S] of the strata that a shift makes of the training ones."""
    if shift == "none":
        return training
    if shift == "reversed":
        order, turned = np.argsort(training), np.empty(len(training))
        turned[order] = np.sort(training)[::-1]
        return turned
    if shift == "uniform":
        return np.full(len(training), 1 / len(training))
    # Half around the training shares, half anywhere.
    near = int(shift.split()[1]) % 2 == 0
    return rng.dirichlet(10 * training if near else np.full(len(training), 2.0))


def strata_of(task: Task, rows: Rows) -> Int64:
    """A stratum for each group, [G]: of its first row, for tasks without strata its class."""
    classes = rows.labels[np.unique(rows.groups, return_index=True)[1]].astype(np.int64)
    if not task.strata:
        return classes
    codes = task.codes_of(classes)
    return task.stratum_of({name: codes[name] for name in task.strata})


def draw(task: Task, rows: Rows, shift: str, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows to fit on, and rows that stand for the eval images, their groups drawn anew."""
    half = rng.permutation(rows.num_groups) % 2 == 0
    fitted = rows.where(half[rows.groups])
    other = rows.where(~half[rows.groups])
    strata = np.unique(strata_of(task, other), return_inverse=True)[1]
    shares = shares_of(shift, np.bincount(strata) / len(strata), rng)
    counts = rng.multinomial(len(strata) // 2, shares)
    members = [np.flatnonzero(strata == s) for s in range(len(shares))]
    chosen = [rng.choice(m, n, replace=n > len(m)) for m, n in zip(members, counts, strict=True)]
    order = np.argsort(other.groups, kind="stable")
    starts = np.searchsorted(other.groups[order], np.arange(other.num_groups + 1))
    places = [order[starts[g] : starts[g + 1]] for g in np.concatenate(chosen)]
    groups = np.repeat(np.arange(len(places)), [len(p) for p in places])
    every = np.concatenate(places)
    return fitted, Rows(other.labels[every], other.logits[every], groups, other.folds[every])


def judge(task: Task, fitted: Rows, scored: Rows, seed: int) -> Outcome:
    """Estimate on one part, score on the other."""
    folds = np.unique(fitted.folds)
    logits = np.full((len(folds), len(scored), task.num_classes), np.nan, np.float32)
    for place, fold in enumerate(folds):
        logits[place, scored.folds == fold] = scored.logits[scored.folds == fold]
    prior = estimate_prior(task, fitted, logits, folds, seed=seed)
    truth = np.bincount(scored.labels.astype(np.int64), minlength=task.num_classes) / len(scored)
    calibrated, calibrations = calibrate_folds(task, fitted)
    known = np.stack(
        [calibrations[f].apply(z) for f, z in zip(scored.folds, scored.logits, strict=True)]
    )
    shift = np.log(np.maximum(prior.ratio, LEAST_RATIO))
    alone = choose(task, "auto", fitted)
    corrected = None
    if prior.used:
        honest = calibrated.with_logits(calibrated.logits + shift)
        possible = class_ratio(prior.training, prior.draws)
        corrected = Corrected(honest, prior.ratio, possible)
    chosen = choose(task, "auto", fitted, corrected)
    logits = known + shift if chosen.corrected else scored.logits
    got = _score(task, scored, (logits + chosen.decision.log_weights).argmax(axis=1))
    told = forecast(
        task, corrected.rows if corrected and chosen.corrected else fitted, chosen.answers, prior,
        len(scored), optimism=chosen.optimism, seed=seed,
    )  # fmt: skip
    value = oriented(task.metric, got)
    return Outcome(
        prior.used, prior.why,
        float(np.abs(prior.training - truth).sum()), float(np.abs(prior.estimated - truth).sum()),
        _score(task, scored, scored.logits.argmax(axis=1)),
        _score(task, scored, (known + shift).argmax(axis=1)),
        _score(task, scored, (scored.logits + alone.decision.log_weights).argmax(axis=1)), got,
        told.interval.low <= value <= told.interval.high, value - told.value,
    )  # fmt: skip


def _score(task: Task, rows: Rows, answers: npt.NDArray[Any]) -> float:
    measure = measure_of(task, rows, predicted=answers)
    return oriented(task.metric, float(measure(np.ones((1, rows.num_groups)))[0]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    run = Run.open(Folder.at(args.run))
    rows = read_held_out(run).rows
    every: list[tuple[str, Outcome]] = []
    for shift in SHIFTS:
        for split in range(args.splits):
            rng = np.random.default_rng([SHIFTS.index(shift), split])
            outcome = judge(run.task, *draw(run.task, rows, shift, rng), seed=split)
            every.append((shift, outcome))
        mine = [o for name, o in every if name == shift]
        print(f"{shift:12} {_line(mine)}  {mine[-1].why}", flush=True)
    print(f"{'shifted':12} {_line([o for name, o in every if name != 'none'])}")
    print(f"{'used':12} {_line([o for _, o in every if o.used])}")


def _line(outcomes: list[Outcome]) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(o, name) for o in outcomes]))

    prior = [o.prior - o.plain for o in outcomes]
    alone = [o.alone - o.plain for o in outcomes]
    both = [o.both - o.plain for o in outcomes]
    return (
        f"used {sum(o.used for o in outcomes)}/{len(outcomes)}  shares off {mean('before'):.3f} ->"
        f" {mean('after'):.3f}  plain {mean('plain'):.3f}  prior {np.mean(prior):+.4f} (worst"
        f" {min(prior):+.4f})  auto {np.mean(alone):+.4f} (worst {min(alone):+.4f})"
        f"  auto, estimated {np.mean(both):+.4f} (worst {min(both):+.4f})"
        f"  covered {mean('covered'):.2f}, off by {mean('forecast_error'):+.4f}"
    )


if __name__ == "__main__":
    main()
