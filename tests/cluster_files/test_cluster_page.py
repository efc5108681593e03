"""What docs/cluster.md and docs/kubernetes tell people to type is understood by Ray and by us."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from maskcls.cli.main import _parser
from maskcls.config.resolve import resolve

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cluster.md").read_text(encoding="utf-8")
KUBERNETES = (DOCS / "kubernetes" / "README.md").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", page, re.S)
    return [line.strip() for block in blocks for line in block.splitlines()]


RAY = [line for line in commands(PAGE) if line.startswith("ray ")]
JOBS = re.findall(r"python -m ray_jobs\.[^`\n]*", PAGE + KUBERNETES)


def understood(words: list[str]) -> dict[str, Any]:
    """The options of a `ray ...` command, as Ray's own command line reads them; nothing is run."""
    import click
    from ray.scripts.scripts import cli

    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    return command.make_context(name, words).params


def test_the_page_has_commands() -> None:
    assert len(RAY) >= 9
    assert len(JOBS) >= 4


@pytest.mark.parametrize("line", RAY)
def test_ray_understands_a_command_of_the_page(line: str) -> None:
    options = understood(shlex.split(line)[1:])
    if "cluster_config_file" in options:
        assert options["cluster_config_file"] == "cluster.yaml"


@pytest.mark.parametrize("line", JOBS)
def test_we_understand_a_job_of_the_page(line: str) -> None:
    module, *words = shlex.split(line)[2:]
    verb = module.removeprefix("ray_jobs.")
    assert (DOCS.parent / "ray_jobs" / f"{verb}.py").is_file()
    args = _parser([verb]).parse_args([verb, *words])
    if verb == "train":
        assert resolve(args.preset, args.config, args.sets).cluster.gpus == 5


@pytest.mark.parametrize("line", [x for x in commands(PAGE) if x.startswith("maskcls ")])
def test_we_understand_a_command_of_the_page(line: str) -> None:
    words = shlex.split(line)[1:]
    _parser(words).parse_args(words)


def test_a_stopped_job_is_submitted_again_in_the_same_words_under_a_new_id() -> None:
    submits = [line for line in RAY if "ray_jobs.train" in line]
    entrypoints = {line.partition(" -- ")[2] for line in submits}
    ids = [understood(shlex.split(line)[1:])["submission_id"] for line in submits]
    assert len(entrypoints) == 1
    assert len(ids) == len(set(ids)) == 2
    assert f"ray job stop {ids[0]}" in RAY


def test_the_token_is_made_for_its_owner_only_and_sent() -> None:
    (made,) = [line for line in commands(PAGE) if "get-auth-token --generate" in line]
    assert "umask 077" in made
    assert "> /dev/null" in made  # not onto the screen
    assert "RAY_AUTH_MODE=token" in "\n".join(commands(PAGE))
