"""Cores that a process may use, in containers of both versions of cgroups and without."""

from pathlib import Path

import pytest

from maskcls.core import system


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of /sys/fs/cgroup; the process may use 8 cores."""
    monkeypatch.setattr(system, "CGROUP", tmp_path)
    monkeypatch.setattr(system, "affinity", lambda: 8)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "limit", "cores"),
    [
        ("250000 100000\n", 2.5, 2),
        ("50000 100000\n", 0.5, 1),
        ("1600000 100000\n", 16, 8),
        ("max 100000\n", None, 8),
        ("", None, 8),
    ],
)
def test_a_quota_is_rounded_down_to_whole_cores(
    cgroup: Path, text: str, limit: float | None, cores: int
) -> None:
    (cgroup / "cpu.max").write_text(text)
    assert system.cpu_limit() == limit
    assert system.usable_cores() == cores


@pytest.mark.parametrize(("quota", "limit"), [("200000", 2), ("-1", None)])
def test_the_first_version_of_cgroups_is_read(cgroup: Path, quota: str, limit: int | None) -> None:
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (cgroup / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert system.cpu_limit() == limit


def test_without_a_container_there_is_no_limit(cgroup: Path) -> None:
    assert system.cpu_limit() is None
    assert system.read_text(cgroup / "missing") == ""


def test_affinity_is_of_this_process() -> None:
    assert system.affinity() >= 1


def test_memory_is_released_without_an_error() -> None:
    system.release_memory()
