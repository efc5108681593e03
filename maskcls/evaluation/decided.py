"""How an ensemble's answers are decided: fitted on held-out rows, applied to the eval images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.metrics import TITLES
from maskcls.core.task import Task
from maskcls.data.shares import read_shares
from maskcls.evaluation import ensembling
from maskcls.evaluation.eval_spread import spread_of
from maskcls.evaluation.pooled import Combining, Pooled, pool
from maskcls.statistics.averaging import Gain, averaging_gain
from maskcls.statistics.calibration import (
    Calibration,
    calibrate_folds,
    no_calibration,
)
from maskcls.statistics.choice import (
    Chosen,
    Corrected,
    Decide,
    choose,
    choose_probabilities,
    score_interval,
)
from maskcls.statistics.decision import DECIDED, Decision, no_decision
from maskcls.statistics.forecast import Forecast, forecast
from maskcls.statistics.intervals import Interval
from maskcls.statistics.prior import PriorEstimate, class_ratio, estimate_prior
from maskcls.statistics.rows import Rows
from maskcls.store.folder import Folder
from maskcls.store.run import Run

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
LEAST_RATIO = 1e-9
"""Of shares: a class that a file says never occurs gets this weight, and no infinity."""


@dataclass(frozen=True)
class Asked:
    """What the user asks for: --decide; --prior "none", "estimated" or a file of shares."""

    decide: Decide = "auto"
    prior: str = "none"


@dataclass(frozen=True)
class EvalSample:
    """Logits of some eval images, [F, M, K], NaN rows missing; groups: of them [M], or None."""

    logits: Float32
    groups: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Eval:
    """The images that are answered: how many rows the answers have, and a sample of the logits.

    groups: how many the rows are of, None: not known.
    """

    rows: int
    sample: Callable[[], EvalSample]
    groups: int | None = None


@dataclass(frozen=True)
class Decided:
    """A decision and how to apply it.

    member_weights: see ensembling.combine. calibrations: of each network, None for as they are. shift:
    log(q / pi), [K], None without the prior's correction. score_interval: of the held-out score of the
    rule that is used, None where no score is known. forecast: None without held-out rows.
    """

    task: Task
    how: Combining
    asked: Asked
    member_weights: Float64 | None
    decision: Decision
    prior: PriorEstimate
    calibrations: list[Calibration] | None = None
    shift: Float64 | None = None
    score_interval: Interval | None = None
    forecast: Forecast | None = None

    def combine(self, logits: Float32) -> Float64:
        """Scores [n, K] of the members' logits [F, n, K]; see ensembling.combine."""
        if self.calibrations is not None:
            found = [c.apply(one) for c, one in zip(self.calibrations, logits, strict=True)]
            logits = np.stack(found).astype(np.float32)
        scores = ensembling.combine(logits, self.how.rule, self.member_weights, self.task.sizes)
        if self.shift is None:
            return scores
        return ensembling.shifted(scores, self.shift, self.how.rule)

    def classes(self, scores: Float64) -> npt.NDArray[np.int64]:
        """The answers [n]; the first class for rows of NaN."""
        moved = scores + self.decision.log_weights if self.decision.rule == "tuned" else scores
        return np.asarray(np.nan_to_num(moved).argmax(axis=1))

    def about(self) -> dict[str, Any]:
        """decision, prior and forecast, as the provenance has them."""
        decision, prior = self.decision, self.prior
        is_estimated = self.asked.prior != "none" and prior.is_estimated
        is_told = is_estimated or prior.used  # by a file, whose shares have no interval
        return {
            "decision": {
                "asked": self.asked.decide,
                "rule": decision.rule,
                "measured": decision.measured,
                "why": decision.why,
                "weights": np.exp(decision.log_weights).tolist(),
                "shrink": decision.shrink,
                "metric": self.task.metric,
                "held_out": _number(decision.value),
                "argmax": _number(decision.plain),
                "gain": _number(decision.gain),
                "interval": _pair(decision.interval.low, decision.interval.high),
                "score_interval": self.score_interval
                and _pair(self.score_interval.low, self.score_interval.high),
                "calibrated": self.calibrations is not None,
            },
            "prior": {
                "asked": self.asked.prior,
                "used": prior.used,
                "why": prior.why,
                "corrected": self.shift is not None,
                "training": prior.training.tolist(),
                "estimated": prior.estimated.tolist() if is_told else None,
                "interval": [prior.low.tolist(), prior.high.tolist()] if is_estimated else None,
            },
            "forecast": {
                "metric": self.task.metric,
                "value": self.forecast and _number(self.forecast.value),
                "interval": self.forecast
                and _pair(self.forecast.interval.low, self.forecast.interval.high),
                "averaging": self.forecast and self.forecast.gain.value,
            },
        }


def require_possible(decide: str, prior: str, rule: str) -> None:
    """UserError for options that no task allows, or a file that is not there."""
    if decide not in get_args(Decide):
        raise UserError(f"--decide {decide}: no such rule; there are argmax, tuned and auto")
    if rule not in ("logits", "probs") and (decide == "tuned" or prior != "none"):
        option = "--decide tuned" if decide == "tuned" else f"--prior {prior}"
        raise UserError(
            f"--rule {rule}: votes are no probabilities, which {option} needs; use --rule logits or"
            " probs"
        )
    if prior not in ("none", "estimated"):
        _read(prior)


def require_fitting(asked: Asked, rule: str, task: Task, probabilities: bool) -> None:
    """UserError for options that this task does not allow; probabilities: whether its answers are."""
    require_possible(asked.decide, asked.prior, rule)
    if asked.decide == "tuned" and probabilities and task.metric in DECIDED:
        raise UserError(
            "--decide tuned: this task's answers are probabilities, of which no class is decided; use"
            " --decide auto"
        )
    if asked.prior not in ("none", "estimated"):
        _shares_of(asked.prior, task)


def decide(
    networks: Sequence[tuple[Run, Sequence[int]]], how: Combining, asked: Asked,
    member_weights: Float64 | None, images: Eval, shares: Float64, probabilities: bool = False,
    optimism: float = 0.0,
) -> Decided:  # fmt: skip
    """Fit the decision of an ensemble.

    networks: runs and the numbers of their folds, as the eval logits have them. shares: of the training
    images, [K]. probabilities: whether the answers are such. optimism: how much better held-out scores
    look since the runs were chosen by them; higher is better. Where nothing can be fitted it is argmax,
    with the reason in decision.why.
    """
    task = networks[0][0].task
    pooled = pool([run for run, _ in networks], how)
    if isinstance(pooled, str):
        return _without_rows(task, how, asked, member_weights, shares, pooled)
    numbers = [
        start + fold
        for start, (_, folds) in zip(pooled.starts, networks, strict=True)
        for fold in folds
    ]
    sample = images.sample()
    prior = _prior(asked, pooled, numbers, sample, shares)
    chosen, rows, calibrations = _choose(task, asked, pooled, prior, probabilities)
    is_calibrated = chosen.corrected or chosen.decision.rule == "calibrated"
    decided = Decided(
        task, how, asked, member_weights, chosen.decision, prior,
        [calibrations.get(n, no_calibration(task.num_classes)) for n in numbers]
        if is_calibrated else None,
        _shift(prior) if chosen.corrected else None,
    )  # fmt: skip
    spread = spread_of(
        pooled, numbers, sample.logits, sample.groups, calibrations if is_calibrated else {},
        decided.shift,
    )  # fmt: skip
    is_decided = task.metric in DECIDED
    gain = Gain()
    if spread is not None:
        ratio = prior.ratio if prior.used else np.ones(task.num_classes)
        answer = decided.classes if is_decided else None
        gain = averaging_gain(task, rows, spread, answer, ratio)
    expected = forecast(
        task, rows, chosen.answers if is_decided else None, prior, images.rows,
        eval_groups=images.groups, gain=gain, optimism=chosen.optimism + optimism,
    )  # fmt: skip
    around = None
    if np.isfinite(chosen.decision.gain):
        of_classes = prior.ratio if prior.used else None
        around = score_interval(task, rows, chosen.answers, of_classes)
    return replace(decided, score_interval=around, forecast=expected)


def _without_rows(
    task: Task, how: Combining, asked: Asked, weights: Float64 | None, shares: Float64, why: str
) -> Decided:
    if asked.decide == "tuned" or asked.prior == "estimated":
        option = "--decide tuned" if asked.decide == "tuned" else "--prior estimated"
        raise UserError(f"{option} is fitted on held-out images, and {why}; leave the option out.")
    if asked.prior != "none":
        given = _given(asked.prior, _shares_of(asked.prior, task), shares)
        decision = no_decision(task, why)
        return Decided(task, how, asked, weights, decision, given, None, _shift(given))
    return Decided(task, how, asked, weights, no_decision(task, why), _no_prior(shares))


def _prior(
    asked: Asked, pooled: Pooled, numbers: Sequence[int], sample: EvalSample, shares: Float64
) -> PriorEstimate:
    counts = np.bincount(pooled.own.labels, minlength=pooled.task.num_classes)
    training = counts / counts.sum()
    if asked.prior == "none":
        return _no_prior(training)
    if asked.prior != "estimated":
        return _given(asked.prior, _shares_of(asked.prior, pooled.task), training)
    # A network without held-out rows cannot be calibrated, and has no part in the estimate.
    judged = np.isin(numbers, pooled.own.folds)
    folds = np.asarray(numbers, np.int64)[judged]
    return estimate_prior(pooled.task, pooled.own, sample.logits[judged], folds, sample.groups)


def _no_prior(training: Float64) -> PriorEstimate:
    why = "not asked for"
    return PriorEstimate(training, training, training, training, False, why, training[None])


def _given(where: str, shares: Float64, training: Float64) -> PriorEstimate:
    why = f"given by {where}"
    return PriorEstimate(training, shares, shares, shares, True, why, shares[None])


def _shares_of(where: str, task: Task) -> Float64:
    return read_shares(_read(where), where, task)


def _read(where: str) -> bytes:
    folder, name = Folder.of_file(where)
    try:
        return folder.read_bytes(name)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(
            f"--prior {where}: there is no such file; give none, estimated, or a CSV or JSON file of"
            " class shares."
        ) from error


def _shift(prior: PriorEstimate) -> Float64:
    return np.asarray(np.log(np.maximum(prior.ratio, LEAST_RATIO)))


def _choose(
    task: Task, asked: Asked, pooled: Pooled, prior: PriorEstimate, probabilities: bool
) -> tuple[Chosen, Rows, dict[int, Calibration]]:
    """The choice, the held-out rows as the answers see them, and the networks' calibrations."""
    rows = pooled.combined()
    if pooled.how.rule not in ("logits", "probs"):
        why = "votes give no probabilities that weights could change"
        return Chosen(no_decision(task, why), False, rows.logits.argmax(axis=1)), rows, {}
    of_probabilities = task.metric not in DECIDED and probabilities
    wanted: Decide = "argmax" if probabilities and not of_probabilities else asked.decide
    calibrations: dict[int, Calibration] = {}
    corrected, honest = None, None
    if prior.used or of_probabilities:
        # Each row calibrated without its own group, as an image that the calibration has not seen.
        apart, calibrations = calibrate_folds(task, pooled.own)
        honest = np.asarray(apart.logits, np.float64)
    if prior.used:
        assert honest is not None
        possible = class_ratio(prior.training, prior.draws) if prior.is_estimated else None
        corrected = Corrected(pooled.combined(honest, _shift(prior)), prior.ratio, possible)
    if of_probabilities:
        assert honest is not None
        calibrated = pooled.combined(honest)
        chosen = choose_probabilities(task, wanted, rows, calibrated, corrected)
        if chosen.decision.rule == "calibrated":
            rows = calibrated
    elif task.metric not in DECIDED:
        why = f"{TITLES[task.metric]} is a metric of probabilities, and the answers are classes"
        chosen = Chosen(no_decision(task, why), False, rows.logits.argmax(axis=1))
    else:
        chosen = choose(task, wanted, rows, corrected)
    if chosen.corrected:
        assert corrected is not None
        rows = corrected.rows
    return chosen, rows, calibrations


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _pair(low: float, high: float) -> list[float] | None:
    return [float(low), float(high)] if np.isfinite([low, high]).all() else None
