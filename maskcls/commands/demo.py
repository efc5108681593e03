"""`maskcls demo`: draw a data set of people and run the whole main job on it."""

import time
from dataclasses import dataclass
from pathlib import Path

from maskcls.commands.ensemble import ensemble
from maskcls.commands.score import score
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit
from maskcls.core.progress import Progress
from maskcls.data.submission_score import SubmissionScore
from maskcls.demo.dataset import write_demo_data
from maskcls.store.folder import absolute_path
from maskcls.store.results import Metrics
from maskcls.store.run import Run

_WHOLE = {"people": 120, "eval_people": 40, "folds": 5, "epochs": 12}
# Starting a fold's worker takes longer than training it here, so the quick demo has two folds only.
_QUICK = {"people": 80, "eval_people": 20, "folds": 2, "epochs": 12}


@dataclass(frozen=True)
class Demonstrated:
    """The demo's results; score: of the submission, by the drawn labels.

    was_there: an earlier demo had already drawn and trained everything.
    """

    exit_code: Exit
    folder: Path
    metrics: Metrics
    score: SubmissionScore
    seconds: float
    was_there: bool


def demo(folder: str, quick: bool, progress: Progress, command: list[str]) -> Demonstrated:
    """Draw a data set into FOLDER/data, train FOLDER/run on it, write FOLDER/submission.csv.

    Raises UserError when the folder holds something else.
    """
    started = time.monotonic()
    much = _QUICK if quick else _WHOLE
    people, eval_people = much["people"], much["eval_people"]
    root = absolute_path(folder)
    data, run, out = root / "data", root / "run", root / "submission.csv"
    # Asked before anything is written; the rest is repeated anyway, as each step finds what is done.
    was_there = Run.at(str(run)).is_collected
    if not was_there:
        progress.say(f"drawing {people} people to train on and {eval_people} for eval into {data}")
    drawn = write_demo_data(data, people=people, eval_people=eval_people)
    sets = [f"train.epochs={much['epochs']}", f"folds.count={much['folds']}"]
    if quick:  # the dashboard's processes take longer to start than the folds take to train
        sets.append("cluster.dashboard=false")
    config = resolve("demo", None, sets)
    trained = train(str(data), str(run), config, progress, command)
    progress.say("averaging the folds' logits into the submission")
    ended = ensemble([str(run)], str(out), progress)
    result = score(str(out), str(drawn.truth))
    code = max(trained.exit_code, ended.exit_code)
    seconds = time.monotonic() - started
    return Demonstrated(code, root, trained.metrics, result, seconds, was_there)
