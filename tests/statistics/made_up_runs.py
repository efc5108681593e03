"""Made-up runs of known truth: errors shared within a group, noise of training shared within a fold."""

import numpy as np

from maskcls.statistics.rows import Rows


def made_up_sides(
    seed: int,
    num_groups: int,
    shifts: tuple[float, float] = (0.0, 0.0),
    training: float = 0.0,
    seeds: int = 1,
    per_group: int = 4,
    num_classes: int = 4,
    folds: int = 5,
    personal: float = 0.0,
) -> tuple[list[Rows], list[Rows]]:
    """Rows of two settings, a Rows for each seed.

    shifts: how much each setting adds to the logit of the label. training: standard deviation of what
    each network adds to it. personal: of what each setting adds for each group.
    """
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(num_groups), per_group)
    fold_of = np.arange(num_groups) % folds
    labels = rng.integers(num_classes, size=len(groups))
    hard = rng.normal(size=num_groups)[groups]
    sides = []
    for shift in shifts:
        own = rng.normal(size=num_groups)[groups] * personal
        runs = []
        for _ in range(seeds):
            network = rng.normal(size=folds)[fold_of[groups]] * training
            logits = rng.normal(size=(len(groups), num_classes))
            logits[np.arange(len(groups)), labels] += 1 + hard + own + shift + network
            runs.append(Rows(labels, logits.astype(np.float32), groups, fold_of[groups]))
        sides.append(runs)
    return sides[0], sides[1]
