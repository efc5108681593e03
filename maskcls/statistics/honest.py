"""Which epoch each fold would have, if the images that score it had no say in the choice.

The best of several epochs by the very images that score it is too good by chance: of equally good ones,
the luckiest is taken (Cawley & Talbot 2010). The other folds' images are other groups, so their choice
is free of that.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def honest_epochs(curves: Sequence[Sequence[float | None]]) -> list[int] | None:
    """An epoch for each fold of one repeat, from 1: the best of the mean curve of the other folds.

    curves: scores of each fold's epochs, higher is better; None where a score is not defined: such a
    fold has no say, and if no other fold has one, the last epoch is taken. Of equals, the first. None
    for a single fold, which has no others.

    Folds that stopped early have fewer epochs: the mean is over the epochs that all others have, and a
    fold that has fewer than the chosen one takes its last. That one is no lucky choice: training ended
    there since it brought nothing better.
    """
    if len(curves) < 2:
        return None
    return [_epoch_of(curves, fold) for fold in range(len(curves))]


def _epoch_of(curves: Sequence[Sequence[float | None]], fold: int) -> int:
    others = [c for k, c in enumerate(curves) if k != fold and c and None not in c]
    if not others:
        return len(curves[fold])
    common = min(map(len, others))
    mean: npt.NDArray[np.float64] = np.mean(
        [np.asarray(c[:common], np.float64) for c in others], axis=0
    )
    return min(int(mean.argmax()) + 1, len(curves[fold]))
