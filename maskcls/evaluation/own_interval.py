"""The interval of a setting's own score, beside which a difference from another is shown."""

from collections.abc import Sequence

import numpy as np

from maskcls.core.interval import Interval
from maskcls.core.task import Task
from maskcls.statistics.paired import mean_interval
from maskcls.statistics.rows import Rows
from maskcls.store.run import Run


def own_interval(
    task: Task, runs: Sequence[Run], rows: Sequence[Rows], is_whole: bool
) -> Interval | None:
    """By groups, of the mean over the seeds, as the metric's name says; None where it is not known.

    rows: of each run, the same ones. is_whole: whether they are all that the runs have, in their own
    groups: then that of a single run is the one in its metrics.json.
    """
    metrics = runs[0].metrics() if is_whole and len(runs) == 1 else None
    if metrics is not None and metrics.oof is not None and metrics.oof.judged is not None:
        return metrics.oof.judged.interval
    found = mean_interval(task, rows)
    # One without width is of a score that is 0 or 1 in all resamples, which is not a sure one.
    return found if np.isfinite([found.low, found.high]).all() and found.low < found.high else None
