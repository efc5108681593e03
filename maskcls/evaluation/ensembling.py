"""Combine the logits of several members into one answer per image."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


Rule = Literal["logits", "probs", "vote", "vote_parts"]
RULES: dict[Rule, str] = {
    "logits": "mean of the members' logits",
    "probs": "mean of the members' probabilities",
    "vote": "each member votes for its likeliest class",
    "vote_parts": "each member votes for its likeliest value of each part of the label",
}
"""Rules of combination; the answer is the class with the largest value."""
_RENAMED = {"vote_tasks": "vote_parts"}


def rule_named(name: str) -> Rule:
    """A rule by its name; UserError for any other, and for an old name with the new one."""
    if name in _RENAMED:
        raise UserError(f"--rule {name} is called {_RENAMED[name]} now")
    for rule in get_args(Rule):
        if rule == name:
            return rule  # type: ignore[no-any-return]
    raise UserError(f"--rule {name}: no such rule; there are {', '.join(RULES)}")


def combine(
    logits: Float32, rule: Rule, weights: Float64 | None = None, sizes: Sequence[int] = ()
) -> Float64:
    """One score per image and class; the largest is the answer.

    logits: float32 [M, N, K], the same rows in the same order for every member. weights: float64
    [M], positive, or None for equal ones. sizes: number of values of each part, for "vote_parts"; ():
    one part, which makes it the same as "vote". Returns float64 [N, K]: logits, log-probabilities or
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
    parts = tuple(sizes) if rule == "vote_parts" and sizes else logits.shape[2:]
    votes = np.stack([_votes(one, parts) for one in probs])
    # The tie-break must stay below the smallest difference of votes. Both are means over the members, so
    # this holds for up to about a million of equal weight.
    return weighted_mean(votes, weights) + 1e-6 * weighted_mean(probs, weights)


def weighted_mean(values: Float64, weights: Float64 | None = None) -> Float64:
    """Mean over members, [M, N, K] to [N, K], each row over the members that have it."""
    # By row, not by value: a row with one NaN has no usable logits at all.
    there = np.asarray(np.isfinite(values).all(axis=2))
    weight = there * (np.ones(len(values)) if weights is None else weights)[:, None]
    total = (np.where(there[:, :, None], values, 0) * weight[:, :, None]).sum(axis=0)
    # 0 / 0 where no member has the row: NaN, as documented.
    with np.errstate(invalid="ignore"):
        mean: Float64 = total / weight.sum(axis=0)[:, None]
    return mean


def _votes(probs: Float64, sizes: tuple[int, ...]) -> Float64:
    """One member's votes, [N, K]: for each class the number of parts whose likeliest value it has.

    sizes: number of values of each part; of one part, the vote is 1 for the likeliest class.
    """
    votes = np.full(probs.shape, np.nan)
    there = np.isfinite(probs).all(axis=1)
    # The parts' values are the digits of the class's number (core/task.py).
    grid = probs[there].reshape(-1, *sizes)
    count = np.zeros(grid.shape)
    parts = range(1, grid.ndim)
    for axis in parts:
        others = tuple(part for part in parts if part != axis)
        best = grid.sum(axis=others).argmax(axis=1)
        shape = [len(grid)] + [1] * len(sizes)
        shape[axis] = grid.shape[axis]
        count += np.eye(grid.shape[axis])[best].reshape(shape)
    votes[there] = count.reshape(-1, probs.shape[1])
    return votes


def probabilities(scores: Float64, rule: Rule) -> Float64:
    """Probabilities float64 [N, K] of what `combine` returns; NaN rows stay NaN.

    Of rule "logits" the softmax of the mean logits, of "probs" the mean of the probabilities. Raises
    UserError for votes, which give none.
    """
    require_probabilities(rule)
    return softmax(scores) if rule == "logits" else np.asarray(np.exp(scores), np.float64)


def shifted(scores: Float64, shift: Float64, rule: Rule) -> Float64:
    """What `combine` returns after log factors of the classes, shift [K], were added to each row.

    Log-probabilities remain such: rows sum to 1 again. Raises UserError for votes.
    """
    require_probabilities(rule)
    moved = scores + shift
    return moved if rule == "logits" else np.asarray(np.log(softmax(moved)))


def require_probabilities(rule: Rule) -> None:
    """UserError for a rule that gives no probabilities."""
    if rule not in ("logits", "probs"):
        raise UserError(
            f"--rule {rule}: votes are no probabilities, which this task's answers are; use --rule"
            " logits or probs"
        )


def mean_logits(logits: Float32) -> Float64:
    """Average the members' logits in float64; see combine."""
    return combine(logits, "logits")


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of logits, float64 [N, K]; NaN rows stay NaN."""
    # Minus the maximum, or exp would overflow for large logits.
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs: npt.NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probs
