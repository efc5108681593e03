"""Score a submission against a file of the true labels, both in the form that the task names.

Rows are joined on the image's name. The mask competition's published scorer compares by row position
instead, so there a submission in another order gets a warning with the score that it would get.
"""

from dataclasses import dataclass

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.interval import Interval
from maskcls.core.metrics import Score
from maskcls.core.plain import to_plain
from maskcls.core.tally import LEAST_PROBABILITY, score_predictions
from maskcls.core.task import Task
from maskcls.data.answer_file import FileOfAnswers, read_answers, read_truth
from maskcls.data.task_file import built_in
from maskcls.statistics.judging import drawn_from, intervals_of, note_of
from maskcls.statistics.measures import Outcome
from maskcls.statistics.rows import Int64, numbered


@dataclass(frozen=True)
class SubmissionScore:
    """The score of a submission.

    images: how many. joined_on: the column that names them. warning: what looks wrong, None for nothing.
    interval: of the ranking metric's value, None where it cannot be told; interval_by: what was drawn
    for it; interval_note: what to know of it.
    """

    score: Score
    images: int
    joined_on: str
    warning: str | None
    interval: Interval | None = None
    interval_by: str = ""
    interval_note: str | None = None

    def to_json(self) -> dict[str, object]:
        """As `score --json` prints it; without a warning the key is left out."""
        values = self.score.to_json() | {"images": self.images, "joined_on": self.joined_on}
        values["interval"] = None if self.interval is None else to_plain(self.interval)
        values |= {"interval_by": self.interval_by, "interval_note": self.interval_note}
        return values if self.warning is None else values | {"warning": self.warning}


def score_files(
    submission: bytes,
    truth: bytes,
    names: tuple[str, str] = ("submission.csv", "truth.csv"),
    task: Task | None = None,
) -> SubmissionScore:
    """Score a submission.

    submission, truth: the content of the two files; names: their names in messages. task: None for the
    mask competition's. Metrics of probabilities are computed where the submission has some.
    Raises UserError for missing columns, answers that are none, double names, and when the two files do
    not name the same images.
    """
    task = task or built_in("mask").task()
    answers, labels = read_answers(submission, names[0], task), read_truth(truth, names[1], task)
    image = task.answers.columns[0]
    _check_same_images(answers, labels, names, image)
    joined = answers.of(labels.images)
    result = score_predictions(task, labels.classes, joined.classes, joined.probs)
    warning = _mask_warning(task, answers, labels, names) if task.is_mask else None
    groups = numbered(labels.images if labels.groups is None else labels.groups)
    outcome = _outcome(task, labels, joined, groups)
    found = intervals_of(task, outcome)
    count, images = int(groups.max()) + 1, len(labels.images)
    return SubmissionScore(
        found.in_score(result), images, image, warning, found.whole, drawn_from(count, images),
        note_of(count, images),
    )  # fmt: skip


def _outcome(task: Task, labels: FileOfAnswers, joined: FileOfAnswers, groups: Int64) -> Outcome:
    losses = ranks = None
    if joined.probs is not None:
        of_truth = joined.probs[np.arange(len(labels.classes)), labels.classes]
        losses = -np.log(np.clip(of_truth, LEAST_PROBABILITY, 1))
        ranks = joined.probs[:, 1] if task.num_classes == 2 else joined.probs
    return Outcome(labels.classes, joined.classes, groups, losses, ranks)


def _mask_warning(
    task: Task, answers: FileOfAnswers, labels: FileOfAnswers, names: tuple[str, str]
) -> str | None:
    warnings = []
    if answers.images != labels.images:
        by_position = score_predictions(task, labels.classes, answers.classes).macro_f1
        warnings.append(
            f"{names[0]} is in another order than {names[1]}: joined on {task.answers.columns[0]} here,"
            f" but the published scorer compares by row position and would give macro F1"
            f" {by_position:.4f}"
        )
    if len(labels.classes) > 1 and not labels.classes.any():
        warnings.append(f"every answer of {names[1]} is 0, as in info.csv, which holds no answers")
    return "; ".join(warnings) or None


def _check_same_images(
    answers: FileOfAnswers, labels: FileOfAnswers, names: tuple[str, str], image: str
) -> None:
    answered, labelled = set(answers.images), set(labels.images)
    lacking = [name for name in labels.images if name not in answered]
    unknown = [name for name in answers.images if name not in labelled]
    parts = []
    if lacking:
        parts.append(f"{len(lacking)} of {names[1]} are not in {names[0]} (such as {lacking[0]!r})")
    if unknown:
        parts.append(f"{len(unknown)} of {names[0]} are not in {names[1]} (such as {unknown[0]!r})")
    if parts:
        raise UserError(
            f"{names[0]} and {names[1]} do not name the same images in the column {image}:"
            f" {'; '.join(parts)}; score the submission that was made for these images"
        )
