"""A run's folder."""

from pathlib import Path

import pytest
from tiny_run import TinyRun


@pytest.fixture
def tiny_run(tmp_path: Path) -> TinyRun:
    """A run that nobody has started yet."""
    return TinyRun.write(tmp_path)
