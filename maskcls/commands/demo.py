"""`maskcls demo`: write a data set and run the whole main job on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskcls.commands.ensemble import ensemble
from maskcls.commands.score import score
from maskcls.commands.train import train
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit
from maskcls.core.progress import Progress
from maskcls.data.submission_score import SubmissionScore
from maskcls.demo.dataset import DemoData, write_demo_data
from maskcls.demo.digits import write_digits
from maskcls.store.folder import absolute_path
from maskcls.store.results import Metrics
from maskcls.store.run import Run

DemoTask = Literal["mask", "digits"]


@dataclass(frozen=True)
class _Much:
    """How much a demo does; people: drawn, to train on and for eval."""

    folds: int
    epochs: int
    people: tuple[int, int] = (0, 0)


_WHOLE: dict[DemoTask, _Much] = {"mask": _Much(5, 12, (120, 40)), "digits": _Much(5, 8)}
# Starting a fold's worker takes longer than training it here, so the quick demo has two folds only.
_QUICK: dict[DemoTask, _Much] = {"mask": _Much(2, 12, (80, 20)), "digits": _Much(2, 8)}
# The digits are 8x8, too small for five halvings.
_OWN: dict[DemoTask, list[str]] = {"mask": [], "digits": ["image.size=32x32"]}


@dataclass(frozen=True)
class Demonstrated:
    """The demo's results; score: of the submission, by the true labels.

    was_there: an earlier demo had already written and trained everything.
    """

    exit_code: Exit
    folder: Path
    metrics: Metrics
    score: SubmissionScore
    num_classes: int
    seconds: float
    was_there: bool


def demo(
    folder: str, quick: bool, progress: Progress, command: list[str], task: DemoTask = "mask"
) -> Demonstrated:
    """Write a data set into FOLDER/data, train FOLDER/run on it, write FOLDER/submission.csv.

    task: drawn people (mask), or scikit-learn's handwritten digits. Raises UserError when the folder
    holds something else.
    """
    started = time.monotonic()
    much = (_QUICK if quick else _WHOLE)[task]
    root = absolute_path(folder)
    run, out = root / "run", root / "submission.csv"
    # Asked before anything is written; the rest is repeated anyway, as each step finds what is done.
    was_there = Run.at(str(run)).is_collected
    say = (lambda text: None) if was_there else progress.say
    data = _write(task, root / "data", much, say)
    sets = [f"train.epochs={much.epochs}", f"folds.count={much.folds}", *_OWN[task]]
    if quick:  # the dashboard's processes take longer to start than the folds take to train
        sets.append("cluster.dashboard=false")
    trained = train(str(data.folder), str(run), resolve("demo", None, sets), progress, command)
    progress.say("averaging the folds' logits into the submission")
    ended = ensemble([str(run)], str(out), progress)
    result = score(str(out), str(data.truth), None if task == "mask" else str(run))
    code = max(trained.exit_code, ended.exit_code)
    classes = Run.at(str(run)).task.num_classes
    seconds = time.monotonic() - started
    return Demonstrated(code, root, trained.metrics, result, classes, seconds, was_there)


def _write(task: DemoTask, folder: Path, much: _Much, say: Callable[[str], None]) -> DemoData:
    if task == "digits":
        say(f"writing scikit-learn's handwritten digits into {folder}")
        return write_digits(folder)
    people, eval_people = much.people
    say(f"drawing {people} people to train on and {eval_people} for eval into {folder}")
    return write_demo_data(folder, people=people, eval_people=eval_people)
