"""Combine the logits of several members into one answer per image."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from maskcls.core.labels import NUM_CLASSES

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


Rule = Literal["logits", "probs", "vote", "vote_tasks"]
RULES: dict[Rule, str] = {
    "logits": "mean of the members' logits",
    "probs": "mean of the members' probabilities",
    "vote": "each member votes for its likeliest class",
    "vote_tasks": "each member votes for its likeliest mask state, gender and age group",
}
"""Rules of combination; the answer is the class with the largest value."""


def combine(logits: Float32, rule: Rule, weights: Float64 | None = None) -> Float64:
    """One score per image and class; the largest is the answer.

    logits: float32 [M, N, 18], the same rows in the same order for every member. weights: float64
    [M], positive, or None for equal ones. Returns float64 [N, 18]: logits, log-probabilities or
    votes; equal votes are decided by the mean probability. A row that is NaN for every member
    stays NaN; members whose row is NaN are left out.
    """
    if rule == "logits":
        return weighted_mean(logits.astype(np.float64), weights)
    probs = np.stack([softmax(one.astype(np.float64)) for one in logits])
    if rule == "probs":
        # A probability may be 0 in float64; its -inf is not the largest anyway.
        with np.errstate(divide="ignore"):
            mean: Float64 = np.log(weighted_mean(probs, weights))
        return mean
    votes = np.stack([_votes(one, by_task=rule == "vote_tasks") for one in probs])
    # The tie-break must stay below the smallest difference of votes. Both are means over the members, so
    # this holds for up to about a million of equal weight.
    return weighted_mean(votes, weights) + 1e-6 * weighted_mean(probs, weights)


def weighted_mean(values: Float64, weights: Float64 | None = None) -> Float64:
    """Mean over members, [M, N, 18] to [N, 18], each row over the members that have it."""
    # By row, not by value: a row with one NaN has no usable logits at all.
    there = np.asarray(np.isfinite(values).all(axis=2))
    weight = there * (np.ones(len(values)) if weights is None else weights)[:, None]
    total = (np.where(there[:, :, None], values, 0) * weight[:, :, None]).sum(axis=0)
    # 0 / 0 where no member has the row: NaN, as documented.
    with np.errstate(invalid="ignore"):
        mean: Float64 = total / weight.sum(axis=0)[:, None]
    return mean


def _votes(probs: Float64, by_task: bool) -> Float64:
    """One member's votes, [N, 18]: 1 for its class, or for each class as many as tasks agree."""
    votes = np.full(probs.shape, np.nan)
    there = np.isfinite(probs).all(axis=1)
    if not by_task:
        votes[there] = np.eye(NUM_CLASSES)[probs[there].argmax(axis=1)]
        return votes
    # class = 6 * mask + 3 * gender + age group (core/labels.py).
    grid = probs[there].reshape(-1, 3, 2, 3)
    count = np.zeros(grid.shape)
    for axis in (1, 2, 3):  # mask, gender, age group
        others = tuple({1, 2, 3} - {axis})
        best = grid.sum(axis=others).argmax(axis=1)
        shape = [1, 1, 1, 1]
        shape[0], shape[axis] = len(grid), grid.shape[axis]
        count += np.eye(grid.shape[axis])[best].reshape(shape)
    votes[there] = count.reshape(-1, NUM_CLASSES)
    return votes


def mean_logits(logits: Float32) -> Float64:
    """Average the members' logits in float64; see combine."""
    return combine(logits, "logits")


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of logits, float64 [N, 18]; NaN rows stay NaN."""
    # Minus the maximum, or exp would overflow for large logits.
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs: npt.NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probs
