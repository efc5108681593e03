"""The modules of ray_jobs: each runs the command of its name as a Ray job."""

import runpy
from pathlib import Path

import pytest

from maskcls.cli import main
from maskcls.cli.verbs.submit import _JOBS

JOBS = (
    "ray_jobs.ensemble",
    "ray_jobs.pipeline",
    "ray_jobs.predict",
    "ray_jobs.study",
    "ray_jobs.train",
    "ray_jobs.tune",
)


@pytest.mark.parametrize("module", JOBS)
def test_a_module_runs_the_command_of_its_name(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs: list[str] = []
    monkeypatch.setattr(main, "job", verbs.append)
    runpy.run_module(module, run_name="__main__")
    assert verbs == [module.removeprefix("ray_jobs.")]
    runpy.run_module(module)
    assert len(verbs) == 1


def test_what_can_be_submitted_has_a_module() -> None:
    files = (Path(__file__).parents[1] / "ray_jobs").glob("[!_]*.py")
    assert {f"ray_jobs.{path.stem}" for path in files} == set(JOBS)
    assert {f"ray_jobs.{name}" for name in _JOBS} == set(JOBS)
