"""The tested versions are exact, and within the bounds that the package asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = [
    line
    for line in (TOP / "ray_jobs" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
VERSIONS = dict(line.split("==") for line in PINS)
ASKED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


@pytest.mark.parametrize("asked", ASKED)
def test_a_dependency_is_pinned_within_its_bounds(asked: str) -> None:
    requirement = Requirement(asked)
    version = VERSIONS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version, prereleases=True)


def test_pins_are_exact_and_each_package_has_one() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line) for line in PINS)
    assert len(VERSIONS) == len(PINS)
    assert all(name == canonicalize_name(name) for name in VERSIONS)


@pytest.mark.parametrize(("name", "fixed"), [("pillow", "13"), ("certifi", "2026.10.19")])
def test_a_version_with_a_known_fault_cannot_be_installed(name: str, fixed: str) -> None:
    bounds = [Requirement(x).specifier for x in ASKED if Requirement(x).name == name]
    older = ("12.99", "11.0") if name == "pillow" else ("2026.10.18",)
    assert bounds
    assert bounds[0].contains(fixed)
    assert not any(bounds[0].contains(version) for version in older)


def test_each_python_that_was_tried_satisfies_the_minimum() -> None:
    tried = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    lowest = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert tried
    assert all(lowest.contains(version) for version in tried)
