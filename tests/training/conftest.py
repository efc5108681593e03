"""One thread, since tiny networks lose to the threads' waiting for one another; and a run's folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_run import TinyRun


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_run(tmp_path: Path) -> TinyRun:
    """A run that nobody has started yet."""
    return TinyRun.write(tmp_path)
