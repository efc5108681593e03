"""What a file of answers was made from: the entries that each provenance has."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from maskcls.evaluation.decided import Decided
from maskcls.evaluation.ensembling import RULES
from maskcls.evaluation.members import Member
from maskcls.store.record import now, versions

BY_GROUP = "mean over the images of each group"
"""Entry `by_group`, of answers for groups."""


def sources_of(
    members: Sequence[Member], decided: Decided, columns: Sequence[str], values: str, ending: str,
    rows: int, weights: list[float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Time, versions, task, form, members with their runs, decision, prior and forecast.

    columns: the file's header; values: what its answers are; ending: how the combined values become
    these; rows: their number. weights: of the runs, None where all folds count the same.
    """
    task = decided.task
    return {
        "created": now(),
        "versions": versions(),
        "task": {"name": task.name, "classes": list(task.classes)},
        "answers": {"columns": list(columns), "values": values},
        "rule": f"{RULES[decided.how.rule]}; {ending}",
        "weights": weights,
        "members": [label for member in members for label in member.labels()],
        "runs": [asdict(m.about) for m in members],
        "images": rows,
        **decided.about(),
    }
