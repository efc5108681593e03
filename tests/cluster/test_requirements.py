"""What is refused before a Ray is started."""

import os
import resource

import pytest

from maskcls.cluster import requirements
from maskcls.core.errors import RunFailed, UserError


@pytest.mark.parametrize("limit", [40, 64, requirements.min_open_files() - 1])
def test_too_few_open_files_are_refused_with_the_way_out(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    with pytest.raises(UserError, match=rf"may open {limit} at most.*ulimit -n 65536"):
        requirements.require_open_files()


def test_the_hard_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for hard in (requirements.min_open_files(), resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (40, hard))
        requirements.require_open_files()


def test_loopback_that_is_down_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements.require_loopback()

    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", unreachable)
    with pytest.raises(RunFailed, match=r"127\.0\.0\.1 cannot be reached .*ip link set lo up"):
        requirements.require_loopback()


def test_variables_that_break_rays_processes_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    requirements.drop_what_breaks_ray()
    assert not {"PYTHONOPTIMIZE", "PYTHONWARNINGS"} & set(os.environ)
