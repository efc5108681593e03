"""A run's folder; a network that draws random numbers."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
from fold_factory import TinyRun


@pytest.fixture
def fold_factory(tmp_path: Path) -> TinyRun:
    """A run that was not started yet."""
    return TinyRun.write(tmp_path)


@pytest.fixture(scope="module")
def random_network() -> Iterator[None]:
    """A backbone that draws random numbers in each step, so that their state counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm, "create_model", functools.partial(timm.create_model, drop_rate=0.5))
        yield
