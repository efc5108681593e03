"""A finished run, trained once for all tests that look at one."""

import os
from pathlib import Path

import pytest

from tests.end_to_end.job_factory import maskcls, sets


@pytest.fixture(scope="session")
def finished(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two folds; threads and cache are its own."""
    folder = tmp_path_factory.mktemp("finished")
    environment = {**os.environ, "MASKCLS_CACHE": str(folder / "cache")}
    done = maskcls("train", str(drawn), "--run", str(folder / "run"), *sets(), env=environment)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert "fold 1 epoch 2/2" in done.stderr
    return folder / "run"
