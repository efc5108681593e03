"""The out-of-fold score of groups: of the mean over each group's images, as `--by-group` answers."""

from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.core.metrics import score_of
from maskcls.core.tally import Tally
from maskcls.core.task import Task
from maskcls.evaluation.by_group import GroupCodes, LabelledGroups
from maskcls.statistics.judging import ranking_interval
from maskcls.statistics.rows import Rows
from maskcls.store.results import GroupScore
from maskcls.store.run import FOLDS, Run
from maskcls.store.tables import read_arrow


class GroupScores:
    """Sums of each group's logits, over its images and over repeats; see GroupMeans for the memory."""

    def __init__(self, task: Task, num_groups: int) -> None:
        self._task, self._codes = task, GroupCodes()
        self._groups = LabelledGroups(num_groups, task.num_classes)

    @classmethod
    def of(cls, run: Run) -> Self | None:
        """For a run's groups; None where the data names none, or one cannot have one label.

        A person of the mask task has images of all mask states, and folds of images divide groups.
        """
        if not run.task.has_groups or run.task.is_mask or run.config.folds.scheme == "image":
            return None
        num_rows = read_arrow(run.folder, FOLDS, ["repeat"]).num_rows
        return cls(run.task, num_rows // run.config.folds.repeats)

    def add(
        self, names: "pa.ChunkedArray", labels: "pa.ChunkedArray", logits: npt.NDArray[np.float32]
    ) -> None:
        """Add held-out rows: names of groups [N], classes [N], logits [N, K], NaN without any."""
        codes = self._codes.of(names.to_pylist())
        self._groups.add(codes, labels.to_numpy().astype(np.int64), logits)

    def score(self) -> GroupScore | None:
        """The score of the groups whose images have one label; None where no group has."""
        found = self._groups.result()
        if not len(found.labels):
            return None
        values = Tally.of(self._task, found.labels, found.logits).values()
        ranking = score_of(self._task.metric, values)
        count = len(found.labels)
        alone = np.arange(count, dtype=np.int64)  # each row is a group
        rows = Rows(found.labels, found.logits, alone, np.zeros(count, np.int64))
        interval = ranking_interval(self._task, rows)
        return GroupScore(ranking, values, count, found.mixed, interval)
