"""What all tests share: nothing of the user's, and no Ray but the test's own."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from maskcls.core.progress import FoldState

# Ray's processes and the preflight inherit this; the model hub must not be reached by a test.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own; RAY_ADDRESS would make it join a stranger's cluster."""
    monkeypatch.setenv("MASKCLS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


class Heard:
    """A Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.states: list[FoldState] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def count(self, what: str, done: int, total: int) -> None:
        self.lines.append(f"{what} {done}/{total}")

    def folds(self, states: Sequence[FoldState]) -> None:
        self.states = list(states)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of drawn people: 12 to train on, 3 for eval, 64x48 photos."""
    from maskcls.demo.dataset import write_demo_data

    folder = tmp_path_factory.mktemp("drawn")
    write_demo_data(folder, people=12, eval_people=3, height=64, width=48, processes=1)
    return folder
