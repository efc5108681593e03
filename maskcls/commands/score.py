"""`maskcls score`: the score of a submission by the true labels."""

from maskcls.core.errors import UserError
from maskcls.data.submission_score import SubmissionScore, score_files
from maskcls.store.folder import Folder
from maskcls.store.run import Run


def score(submission: str, truth: str, run: str | None = None) -> SubmissionScore:
    """Score submission.csv against truth.csv, joined on the image; see data/submission_score.py.

    run: location of a run, whose task says what an answer is and how it is scored; None for the mask
    competition, with ImageID,ans in both. Raises UserError when a file is missing or they do not match.
    """
    task = None if run is None else Run.open(Folder.at(run)).task
    files = read_file(submission), read_file(truth)
    return score_files(*files, names=(submission, truth), task=task)


def read_file(location: str) -> bytes:
    """Bytes of a local file or object; UserError when there is none."""
    folder, name = Folder.of_file(location)
    try:
        return folder.read_bytes(name)
    except (FileNotFoundError, IsADirectoryError) as e:
        raise UserError(f"{location}: there is no such file.") from e
