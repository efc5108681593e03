"""The script of the Python page runs as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PAGE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
MAX_LINES = 35


def script() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    return str(found)


def test_the_script_is_short() -> None:
    assert len(script().splitlines()) <= MAX_LINES


@pytest.mark.slow
@pytest.mark.ray
def test_the_script_runs_and_prints_its_results(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(script(), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(TOP), "MASKCLS_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^out-of-fold macro F1 0\.\d{3}", ended.stdout, re.M)
    assert re.search(r"^\d+ of 560 images are wrong", ended.stdout, re.M)
    assert (tmp_path / "maskcls-python" / "submission.csv").is_file()
