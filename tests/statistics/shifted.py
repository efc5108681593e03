"""Made-up held-out and eval logits whose class shares differ, with a known truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Part, Task
from maskcls.statistics.rows import Rows

THREE = Task("three", (Part("label", ("a", "b", "c")),), has_groups=True)
SHARES = (0.6, 0.3, 0.1)


@dataclass(frozen=True)
class World:
    """rows: held out; logits: [F, M, K] of the eval images; labels, groups: theirs [M]."""

    rows: Rows
    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    groups: npt.NDArray[Any]

    @property
    def truth(self) -> npt.NDArray[np.float64]:
        """Shares of the eval images."""
        return np.bincount(self.labels, minlength=self.rows.num_classes) / len(self.labels)


def world(
    shares: tuple[float, ...], seed: int = 0, *, groups: int = 300, eval_groups: int = 200,
    size: int = 4, apart: float = 2.0, blur: float = 0.0, temperature: float = 0.4, folds: int = 3,
) -> World:  # fmt: skip
    """Groups of one class with shared errors; networks are overconfident, each with its own bias.

    apart: distance of the classes' centres, in deviations of an image. blur: how far the eval images'
    features are moved towards 0, which is no label shift.
    """
    rng = np.random.default_rng(seed)
    count = len(shares)
    centres = np.eye(count) * apart
    biases = rng.normal(scale=0.3, size=(folds, count))

    def draw(number: int, of: npt.NDArray[Any]) -> tuple[Any, Any, Any]:
        labels = rng.choice(count, number, p=of / of.sum())
        x = (centres[labels] + 0.6 * rng.normal(size=(number, count)))[:, None]
        x = x + 0.8 * rng.normal(size=(number, size, count))
        return x.reshape(-1, count), labels.repeat(size), np.arange(number).repeat(size)

    training = np.array(SHARES[:count]) if count == 3 else np.full(count, 1 / count)

    def logits(x: Any, fold: Any) -> Any:
        return (x * apart + np.log(training)) / temperature + biases[fold]

    x, labels, names = draw(groups, training)
    fold = names % folds
    eval_x, eval_labels, eval_names = draw(eval_groups, np.array(shares))
    found = np.stack([logits(eval_x * (1 - blur), f) for f in range(folds)])
    return World(
        Rows(labels, logits(x, fold), names, fold),
        found.astype(np.float32),
        eval_labels,
        eval_names,
    )
