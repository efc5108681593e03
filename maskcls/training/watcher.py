"""Who hears of a fold's progress; handed in, so that training knows no Ray."""

from typing import Any, Protocol


class Watcher(Protocol):
    """Called by every worker of a fold, in the training thread: be quick."""

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        """An update was issued; images: of this epoch so far, over all workers."""

    def epoch_done(self, entry: dict[str, Any]) -> None:
        """An epoch was trained, evaluated and checkpointed; entry: its line of history.jsonl."""

    def predicted(self, rows: int, num_rows: int) -> None:
        """A batch of held-out or eval rows was predicted; a sign of life."""

    def say(self, text: str) -> None:
        """Something worth a line in the log, such as what the fold resumes from."""
