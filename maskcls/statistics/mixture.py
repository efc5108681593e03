"""The shares of a mixture from its mean features: shrunken generalised least squares on the simplex.

Soft BBSE (Lipton et al. 2018) solves means @ shares = found. It is unstable where cells look alike;
RLLS (Azizzadenesheli et al. 2019) shrinks it to the training shares by a constant. Here the
constant follows from the data: the shares have a Dirichlet prior around the training ones, whose
concentration has a posterior (hierarchical Bayes; cf. Efron & Morris 1973), and equations count by
their precision. Without a shift concentrated priors are likeliest, and the estimate is nearly the
training shares.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Float64 = npt.NDArray[np.float64]

CONCENTRATIONS = np.array([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, np.inf])
_SUM_WEIGHT = 1e4


@dataclass(frozen=True)
class Equations:
    """means [D, S] @ shares [S] = found [D], with the covariance [D, D] of the difference."""

    means: Float64
    found: Float64
    covariance: Float64

    def first(self, size: int) -> Self:
        """The first equations alone."""
        part = self.covariance[:size, :size]
        return type(self)(self.means[:size], self.found[:size], part)

    def misfit(self, shares: Float64) -> float:
        """Squared Mahalanobis distance of what was found from what the shares give."""
        apart = whiten(self.covariance) @ (self.found - self.means @ shares)
        return float(apart @ apart)


def whiten(covariance: Float64) -> Float64:
    """W [r, D] with W covariance W' = 1, without directions in which nothing varies."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > max(values.max(initial=0.0) * 1e-6, 1e-300)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T)


def solve(equations: Equations, training: Float64) -> Float64:
    """The shares [S], their posterior mean over concentrations; training: [S], all above 0."""
    matrix = whiten(equations.covariance)
    means, found = matrix @ equations.means, matrix @ equations.found
    belief = concentrations(means, found, training)
    each = [constrained(means, found, training, c) for c in CONCENTRATIONS]
    return np.asarray(belief @ np.stack(each))


def drawn(
    whitening: Float64, means: Float64, found: Float64, training: Float64, rng: np.random.Generator
) -> Float64:
    """Shares [S] drawn from what resampled equations say: means [D, S], found [D].

    The concentration is drawn from its posterior and the centre from the Dirichlet prior, since a
    shrunken estimate of a resample alone would vary less than it errs (randomise then optimise,
    Bardsley 2014).
    """
    means, found = whitening @ means, whitening @ found
    belief = concentrations(means, found, training)
    concentration = float(rng.choice(CONCENTRATIONS, p=belief))
    if np.isinf(concentration):
        return training
    centre = rng.dirichlet(np.maximum(concentration * training, 1e-6))
    return constrained(means, found, training, concentration, centre)


def concentrations(means: Float64, found: Float64, training: Float64) -> Float64:
    """Posterior [C] of CONCENTRATIONS, flat before, at whitened equations."""
    apart = found - means @ training
    spread = means * training @ means.T - np.outer(means @ training, means @ training)
    values, vectors = np.linalg.eigh(spread)
    turned = (vectors.T @ apart) ** 2
    variances = 1 + np.maximum(values, 0) / (CONCENTRATIONS[:, None] + 1)
    log_likelihood = -(turned / variances + np.log(variances)).sum(axis=1) / 2
    belief = np.exp(log_likelihood - log_likelihood.max())
    return np.asarray(belief / belief.sum())


def constrained(
    means: Float64, found: Float64, training: Float64, concentration: float,
    centre: Float64 | None = None,
) -> Float64:  # fmt: skip
    """Shares [S], at least 0 and of sum 1, nearest to whitened equations and the centre.

    centre: [S], the training shares unless given.
    """
    if np.isinf(concentration):
        return training
    # (c + 1) sum (q - p)^2 / p is the precision of a Dirichlet distribution of mean p.
    root = np.sqrt((concentration + 1) / training)
    target = root * (training if centre is None else centre)
    matrix = np.concatenate([means, np.diag(root), np.full((1, len(training)), _SUM_WEIGHT)])
    shares = nnls(matrix, np.concatenate([found, target, [_SUM_WEIGHT]]))[0]
    return np.asarray(shares / shares.sum())
