"""`maskcls score`: the official macro F1 and accuracy of a submission."""

from maskcls.core.errors import UserError
from maskcls.data.submission_score import SubmissionScore, score_files
from maskcls.store.folder import Folder


def score(submission: str, truth: str) -> SubmissionScore:
    """Score submission.csv against truth.csv, both ImageID,ans; see data/submission_score.py.

    Raises UserError when one of them is missing or they do not match.
    """
    return score_files(read_file(submission), read_file(truth), names=(submission, truth))


def read_file(location: str) -> bytes:
    """Bytes of a local file or object; UserError when there is none."""
    folder, name = Folder.of_file(location)
    try:
        return folder.read_bytes(name)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise UserError(f"{location}: there is no such file.") from e
