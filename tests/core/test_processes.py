"""Processes import the same maskcls, and nothing from the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskcls.core import processes

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file in it that hides a module of the library."""
    (tmp_path / "random.py").write_text("raise RuntimeError('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("python_path", ["", os.pathsep])
def test_a_process_imports_maskcls_and_no_file_of_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, python_path: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path)
    done = subprocess.run(
        processes.python_command("-c", "import random, maskcls; print(maskcls.__file__)"),
        env=processes.python_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(Path(processes.__file__).parents[1]))


def test_the_source_is_named_only_where_it_is_not_found_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "__file__", f"{ROOT}/maskcls/core/processes.py")
    monkeypatch.setenv("PYTHONPATH", "")
    assert processes.source_path() == [ROOT]
    monkeypatch.setenv("PYTHONPATH", f"/other{os.pathsep}{ROOT}")
    assert processes.source_path() == []
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(processes, "__file__", "/v/lib/site-packages/maskcls/core/processes.py")
    assert processes.source_path() == []


def test_the_current_folder_leaves_the_search_path(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("PYTHONPATH", "/other")
    monkeypatch.setattr(sys, "path", [str(elsewhere), "/other", str(elsewhere)])
    processes.leave_current_folder_out()
    # The second one is not Python's own: the user has put it there.
    assert sys.path == ["/other", str(elsewhere)]
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_an_empty_part_of_pythonpath_is_the_current_folder_too(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"/other{os.pathsep}")
    monkeypatch.setattr(sys, "path", [str(elsewhere), "/other", str(elsewhere)])
    processes.leave_current_folder_out()
    assert sys.path == ["/other"]
    assert os.environ["PYTHONPATH"] == "/other"


def test_where_maskcls_is_the_current_folder_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(processes, "__file__", f"{ROOT}/maskcls/core/processes.py")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [ROOT, "/other"])
    processes.leave_current_folder_out()
    assert sys.path == [ROOT, "/other"]
