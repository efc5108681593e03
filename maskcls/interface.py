"""The commands as Python functions, and a run's results as objects: the interface of `import maskcls`.

Importing this loads neither torch nor Ray. Locations are local paths or object-store URIs. set: settings
by name, as --set on the command line. Every function raises UserError for invalid input and RunFailed
when something else failed; after Ctrl-C the same call resumes.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TextIO

from maskcls.cli.progress import make_progress
from maskcls.store.uris import refuse_credentials

if TYPE_CHECKING:
    import pandas as pd

    from maskcls.commands.check import Checked
    from maskcls.commands.ensemble import Ensembled
    from maskcls.commands.predict import PredictResult
    from maskcls.commands.runs import Listed
    from maskcls.commands.study import Studied
    from maskcls.commands.train import Trained
    from maskcls.config.schema import Config
    from maskcls.evaluation.compared import Pair
    from maskcls.evaluation.ensembling import Rule
    from maskcls.evaluation.selected import Select
    from maskcls.statistics.choice import Decide
    from maskcls.store.results import Metrics

Location = str | PathLike[str]


def check(data: Location, *, task: Location | None = None, decode_images: bool = True) -> "Checked":
    """Check a data folder; task: see train; decode_images False reads its tables only."""
    from maskcls.commands.check import check as command

    with make_progress(_stream()) as progress:
        return command(_text(data), progress, decode_images, None if task is None else _text(task))


def train(
    data: Location,
    run: Location,
    *,
    task: Location | None = None,
    preset: str | None = None,
    config: Location | None = None,
    set: Mapping[str, Any] | None = None,
) -> "Trained":
    """Train a run's folds, or resume it, and write its out-of-fold score.

    task: a task file, or "mask"; None: DATA/task.toml, else what DATA looks like. preset: name; None is
    the task's. config: a TOML file of settings.
    """
    from maskcls.runs.settings import asked_for

    # Before the next import: a wrong setting is refused without waiting for torch and Ray.
    data, run, which = _text(data), _text(run), None if task is None else _text(task)
    asked = asked_for(data, which, preset, None if config is None else _text(config), _sets(set))
    _require_start()
    from maskcls.commands.train import train as command

    with make_progress(_stream()) as progress:
        words = ["python", "maskcls.train"]
        return command(data, run, asked.config, progress, words, which, None, asked.origin)


def study(
    data: Location,
    out: Location,
    changes: Sequence[str],
    *,
    base: Location | None = None,
    seeds: int = 3,
    set: Mapping[str, Any] | None = None,
    task: Location | None = None,
    dry_run: bool = False,
) -> "Studied":
    """Compare single changes with a base, on the same folds; or resume it, or add changes and seeds.

    changes: each as --change has it, such as "loss.name=focal". base: a preset, or a TOML file; None:
    the task's preset. set: on top of the base. task: see train. dry_run: trains nothing.
    """
    data, out, which = _text(data), _text(out), None if task is None else _text(task)
    base = None if base is None else _text(base)
    _require_start()
    from maskcls.commands.study import study as command

    words = ["python", "maskcls.study"]
    texts = [changes] if isinstance(changes, str) else list(changes)
    with make_progress(_stream()) as progress:
        return command(data, out, texts, progress, base, seeds, _sets(set), words, which, dry_run)


def ensemble(
    runs: Location | Sequence[Location],
    out: Location,
    *,
    rule: "Rule" = "logits",
    weights: Sequence[float] | None = None,
    allow_missing_folds: bool = False,
    by_group: bool = False,
    decide: "Decide" = "auto",
    prior: Location = "none",
    select: "Select" = "none",
) -> "Ensembled":
    """Combine all folds of the runs into a submission, a CSV file.

    rule: "logits", "probs", "vote" or "vote_parts". weights: one per run; None: all folds count equally.
    by_group: a row for each group of eval images. decide: "argmax", "tuned" or "auto". prior: "none",
    "estimated" or a file of class shares. select: "greedy" chooses runs and weights by the held-out
    images, and keeps the mean of all where that is not shown to gain.
    """
    from maskcls.commands.ensemble import ensemble as command

    # A string is a sequence of strings, too, and would be one run per letter.
    locations = [runs] if isinstance(runs, str | PathLike) else runs
    with make_progress(_stream()) as progress:
        return command(
            [_text(run) for run in locations],
            _text(out),
            progress,
            allow_missing_folds,
            rule,
            weights,
            by_group,
            decide,
            _text(prior),
            select,
        )


def predict(
    run: Location,
    images: Location,
    out: Location,
    *,
    by_group: bool = False,
    decide: "Decide" = "auto",
    prior: Location = "none",
    set: Mapping[str, Any] | None = None,
) -> "PredictResult":
    """Predict new images by a finished run; set: cluster.* only, how the work is placed here.

    images: a folder, or a CSV file with a column path. out: a CSV file of classes and probabilities.
    by_group: a row for each group: the CSV's column group, else the first folder of the path. decide,
    prior: as in ensemble.
    """
    from maskcls.runs.settings import settings_of_predict

    placing = settings_of_predict(_sets(set))
    _require_start()
    from maskcls.commands.predict import predict as command

    with make_progress(_stream()) as progress:
        return command(
            _text(run), _text(images), _text(out), progress, placing, by_group, decide, _text(prior)
        )  # fmt: skip


def compare(*runs: Location) -> "list[Pair]":
    """Compare finished runs on the same data: every pair of their settings.

    Runs that differ in train.seed alone are the seeds of one setting, unless all of them are.
    """
    from maskcls.commands.compare import compare as command

    return command([_text(run) for run in runs])


def list_runs(root: Location = ".") -> "list[Listed]":
    """The runs below a folder, best score first; those that cannot be read are logged and left out."""
    import logging

    from maskcls.commands.runs import runs as command

    return list(command(_text(root), logging.getLogger(__name__).warning).runs)


def open_run(run: Location) -> "RunView":
    """A run's settings and results; starts nothing. Raises UserError for a folder that is not a run."""
    return RunView(_text(run))


class RunView:
    """A run as data frames and dataclasses, each read from the run's folder at its first use.

    Tables that a run does not have yet raise UserError.
    """

    def __init__(self, location: str) -> None:
        from maskcls.store.folder import Folder
        from maskcls.store.run import Run

        self._run = Run.open(Folder.at(location))

    def __repr__(self) -> str:
        return f"maskcls.open_run({str(self._run)!r})"

    @property
    def config(self) -> "Config":
        """All settings, by section."""
        return self._run.config

    @cached_property
    def metrics(self) -> "Metrics | None":
        """The scores; None before all folds are done."""
        return self._run.metrics()

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row per fold and epoch: fold, epoch, loss, score, each metric by its name, learning rate,
        images per second."""
        import pandas as pd

        from maskcls.core.plain import to_plain

        rows = [
            {"fold": fold.number, **to_plain(entry), **entry.metrics}
            for fold in self._run.folds()
            for entry in fold.history()
        ]
        return pd.DataFrame(rows).drop(columns="metrics", errors="ignore")

    @cached_property
    def folds(self) -> "pd.DataFrame":
        """The split: group, the strata by their part, repeat, fold."""
        from maskcls.store.run import FOLDS

        return self._table(FOLDS)

    @cached_property
    def oof(self) -> "pd.DataFrame":
        """Out-of-fold logits: image, group, label, repeat, fold, logits (K float32), fault."""
        from maskcls.store.run import OOF

        return self._table(OOF)

    @cached_property
    def eval(self) -> "pd.DataFrame":
        """Eval logits of every fold: image, repeat, fold, logits (K float32), fault."""
        from maskcls.store.run import EVAL

        return self._table(EVAL)

    def _table(self, name: str) -> "pd.DataFrame":
        from maskcls.core.errors import UserError
        from maskcls.store.tables import read_table

        # Said here, since the general message of a missing file advises to run a command again.
        if not self._run.folder.exists(name):
            raise UserError(
                f"{self._run}: no {name} in it; it is written when all folds are done, and eval.parquet"
                " only for data with eval/."
            )
        return read_table(self._run.folder, name)


def _text(location: Location) -> str:
    text = fspath(location)
    # The command line checks every word; a record of the run would repeat this one, too.
    refuse_credentials(text)
    return text


def _sets(values: Mapping[str, Any] | None) -> list[str]:
    """The settings as --set has them; JSON's values are also TOML's."""
    return [
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in (values or {}).items()
    ]


def _require_start() -> None:
    from maskcls.cluster.requirements import require_start

    require_start()


def _stream() -> TextIO | None:
    """Where progress goes: stderr, but stdout in a notebook, which shows stderr on red."""
    return sys.stdout if "ipykernel" in sys.modules else None
