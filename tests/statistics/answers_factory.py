"""Answers of runs with known strengths."""

from collections.abc import Sequence

import numpy as np

from maskcls.statistics.mixtures import Answers


def made_up(
    strengths: Sequence[float], people: int = 60, classes: int = 4, images: int = 4, seed: int = 0
) -> Answers:
    """Logits of runs whose errors are their own, images of a person alike; strength 0 is noise."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(people), images)
    labels = rng.integers(classes, size=len(groups))
    own = [rng.normal(size=(people, classes))[groups] for _ in strengths]
    values = [
        strength * np.eye(classes)[labels] + error + rng.normal(size=error.shape) / 2
        for strength, error in zip(strengths, own, strict=True)
    ]
    return Answers(labels, np.array(values, np.float32), groups)
