"""How far a classifier's confidence lies from its accuracy."""

from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 15


def confidence_of(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Probability of the most likely class, float64 [N]; logits: finite floats [N, K]."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return np.asarray(1 / np.exp(shifted).sum(axis=1))


def expected_calibration_error(
    confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """Mean over the rows of |accuracy - mean confidence| of their bin, 0..1 (Guo 2017).

    confidence: [N] in 0..1; right: bool [N]. The bins are equally wide. NaN without rows.
    """
    if not len(confidence):
        return float("nan")
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    apart = np.bincount(place, right - confidence.astype(np.float64), bins)
    return float(np.abs(apart).sum() / len(confidence))
