"""A sample of the eval images' logits, for what is estimated from them without labels."""

from collections.abc import Sequence

import numpy as np

from maskcls.evaluation.by_group import GroupCodes
from maskcls.evaluation.decided import Eval, EvalSample
from maskcls.evaluation.members import Member, eval_parts
from maskcls.store.run import EVAL_TABLE
from maskcls.store.tables import column_names, read_parts

MOST_IMAGES = 20_000
_MOST_VALUES = 1 << 26
"""256 MiB of logits, whatever the numbers of networks and classes."""


def eval_of(members: Sequence[Member], by_group: bool) -> Eval:
    """The eval images of members; the sample is read when it is asked for."""
    run = members[0].run
    has_groups = "group" in column_names(run.folder, EVAL_TABLE)
    codes, count = GroupCodes(), 0
    for part in read_parts(run.folder, EVAL_TABLE, ["group" if has_groups else "image"]):
        count += part.num_rows
        if has_groups:
            codes.of(part["group"].to_pylist())
    groups = len(codes.names) if has_groups else None
    rows = groups if by_group and groups is not None else count
    return Eval(rows, lambda: _sample(members, has_groups), groups)


def chosen_rows(count: int, networks: int, num_classes: int) -> np.ndarray:
    """Which of `count` images are in the sample: all, or as many as fit at random, ascending."""
    most = max(1, min(MOST_IMAGES, _MOST_VALUES // (networks * num_classes)))
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([3, count]).choice(count, most, replace=False))


def _sample(members: Sequence[Member], has_groups: bool) -> EvalSample:
    run = members[0].run
    count = sum(part.num_rows for part in read_parts(run.folder, EVAL_TABLE, ["image"]))
    networks = sum(len(member.folds) for member in members)
    rows = chosen_rows(count, networks, run.task.num_classes)
    logits, names, start = [], [], 0
    for part in eval_parts(members, has_groups):
        stop = start + len(part.images)
        here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
        logits.append(part.logits[:, here])
        if part.groups is not None:
            names += [part.groups[row] for row in here.tolist()]
        start = stop
    codes = GroupCodes().of(names) if has_groups else None
    return EvalSample(np.concatenate(logits, axis=1), codes)
