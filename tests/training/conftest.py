"""A run's folder."""

from pathlib import Path

import pytest
from fold_factory import TinyRun


@pytest.fixture
def fold_factory(tmp_path: Path) -> TinyRun:
    """A run that nobody has started yet."""
    return TinyRun.write(tmp_path)
