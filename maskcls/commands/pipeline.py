"""`maskcls pipeline`: train, then ensemble, as one job; made of the two commands."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskcls.commands.ensemble import Ensembled, ensemble
from maskcls.commands.train import Trained, train
from maskcls.config.schema import Config
from maskcls.core.errors import Exit, UserError
from maskcls.core.progress import Progress
from maskcls.evaluation.ensembling import Rule
from maskcls.store.paths import Folder


@dataclass(frozen=True)
class Piped:
    """What the two commands returned."""

    trained: Trained
    ensembled: Ensembled

    @property
    def exit_code(self) -> Exit:
        """DEGRADED when one of them was."""
        return max(self.trained.exit_code, self.ensembled.exit_code)


def pipeline(
    data: str, run: str, out: str, config: Config, progress: Progress, rule: Rule = "logits",
    command: Sequence[str] = (),
) -> Piped:  # fmt: skip
    """Train what is left of a run, then write the submission of its folds.

    Arguments as those of train and ensemble. Raises as they do; what only the second would refuse is
    refused before the first begins.
    """
    Folder.of_file(out)
    if not Folder.at(data).exists("eval/info.csv"):
        raise UserError(
            f"{data}: no eval/info.csv in it, so there is nothing to submit; use train."
        )
    trained = train(data, run, config, progress, command)
    return Piped(trained, ensemble([run], out, progress, rule=rule))
