"""The run of each trial of a search: an ordinary run, whose data is read once for all trials."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maskcls.config.layers import Value
from maskcls.core.progress import Progress
from maskcls.runs.prepare import Prepared
from maskcls.runs.run import RunContext, begin
from maskcls.store.lease import Lease
from maskcls.store.run import Run
from maskcls.tuning.shared_data import SharedData
from maskcls.tuning.space import config_of
from maskcls.tuning.trials import Trial, folder_of


class TrialRuns:
    """Prepares the run of a trial; prepared: of the search, base: the settings that trials change."""

    def __init__(
        self, prepared: Prepared, base: Mapping[str, Value], progress: Progress, lease: Lease
    ) -> None:
        self._base, self._progress, self._lease = base, progress, lease
        self._root, self._shared = prepared.run.folder, SharedData(prepared)
        self._warned: set[str] = set()

    def begin(self, trial: Trial, *, quietly: bool) -> RunContext:
        """Write the first files of a trial's run, or resume it.

        quietly: without messages about plan and pixels, which are the same for many trials. Raises
        UserError for invalid settings, an error that is_transient when that cannot be determined now.
        """
        run = Run(folder_of(self._root, trial.number))
        own = self._shared.for_run(run, config_of(self._base, trial.settings))
        progress = Quietly(self._progress, self._warned) if quietly else self._progress
        return begin(own, progress, self._lease.check)


class Quietly:
    """A Progress that passes on counts, and each warning once for all trials."""

    def __init__(self, progress: Progress, warned: set[str]) -> None:
        self._progress, self._warned = progress, warned

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """See Progress."""
        if text not in self._warned:
            self._warned.add(text)
            self._progress.warn(text)

    @property
    def count(self) -> Callable[[str, int, int], None]:
        """See Progress."""
        return self._progress.count

    def folds(self, states: Sequence[Any]) -> None:
        """Nothing: trials have lines of their own."""
