"""Official scoring: a submission.csv against a truth.csv, both ImageID,ans.

Rows are joined on ImageID. The published scorer compares by row position instead, so a submission in
another order gets a warning with the score that it would get there.
"""

import re
from dataclasses import dataclass

import numpy as np

from maskcls.core.errors import UserError
from maskcls.core.labels import NUM_CLASSES
from maskcls.core.metrics import Score, macro_f1, score
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults

_ANSWER = re.compile(r"[0-9]{1,2}")


@dataclass(frozen=True)
class SubmissionScore:
    """The score of a submission; images: how many; warning: what looks wrong, None for nothing."""

    score: Score
    images: int
    warning: str | None

    def to_json(self) -> dict[str, object]:
        """As `score --json` prints it; without a warning the key is left out."""
        values = self.score.to_json() | {"images": self.images, "joined_on": "ImageID"}
        return values if self.warning is None else values | {"warning": self.warning}


def score_files(
    submission: bytes, truth: bytes, names: tuple[str, str] = ("submission.csv", "truth.csv")
) -> SubmissionScore:
    """Score a submission.

    submission, truth: the content of the two files; names: their names in messages.
    Raises UserError for missing columns, answers outside 0..17, double ImageIDs, and when the two
    files do not name the same images.
    """
    answer_of = _read_answers(submission, names[0])
    truth_of = _read_answers(truth, names[1])
    _check_same_images(answer_of, truth_of, names)
    labels = np.array(list(truth_of.values()))
    result = score(labels, np.array([answer_of[image_id] for image_id in truth_of]))
    warnings = []
    # Both dictionaries are in the order of their files.
    if list(answer_of) != list(truth_of):
        by_position = macro_f1(labels, np.array(list(answer_of.values())))
        warnings.append(
            f"{names[0]} is in another order than {names[1]}: joined on ImageID here, but the "
            f"published scorer compares by row position and would give macro F1 {by_position:.4f}"
        )
    if len(labels) > 1 and not labels.any():
        warnings.append(f"every answer of {names[1]} is 0, as in info.csv, which holds no answers")
    return SubmissionScore(result, len(labels), "; ".join(warnings) or None)


def _read_answers(data: bytes, where: str) -> dict[str, int]:
    """Class by ImageID, in the order of the file."""
    file = CsvFile(data, where)
    # The most likely confusion gets its own sentence.
    if "ImageID" not in file.header and "path" in file.header:
        raise UserError(
            f"{file.header_at}: this looks like train.csv (header {','.join(file.header)!r}); "
            f"a file with the columns ImageID,ans is needed"
        )
    file.need("ImageID", "ans")
    faults = Faults()
    answers: dict[str, int] = {}
    line_of: dict[str, int] = {}
    for line, values in file.rows(["ImageID", "ans"], faults):
        image_id, answer = (value.strip() for value in values)
        at = f"{where} line {line}"
        if not image_id:
            faults.add(at, "ImageID is empty; every row needs one")
            continue
        first = line_of.setdefault(image_id, line)
        if first != line:
            faults.add(at, f"ImageID {image_id!r} is in line {first}, too; delete one of them")
        if not _ANSWER.fullmatch(answer) or int(answer) >= NUM_CLASSES:
            faults.add(at, f"ans {answer!r} is not a whole number from 0 to 17; correct it")
            continue
        answers.setdefault(image_id, int(answer))
    # Faults first: rows that are all wrong would otherwise be reported as no rows.
    faults.raise_if_any()
    if not answers:
        raise UserError(f"{where} has a header line but no rows; it needs a row for each image")
    return answers


def _check_same_images(
    answer_of: dict[str, int], truth_of: dict[str, int], names: tuple[str, str]
) -> None:
    lacking = [image_id for image_id in truth_of if image_id not in answer_of]
    unknown = [image_id for image_id in answer_of if image_id not in truth_of]
    parts = []
    if lacking:
        parts.append(f"{len(lacking)} of {names[1]} are not in {names[0]} (such as {lacking[0]!r})")
    if unknown:
        parts.append(f"{len(unknown)} of {names[0]} are not in {names[1]} (such as {unknown[0]!r})")
    if parts:
        raise UserError(
            f"{names[0]} and {names[1]} do not name the same ImageIDs: {'; '.join(parts)}; "
            f"score the submission that was made for these images"
        )
