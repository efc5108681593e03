"""What the README tells people to type is understood."""

import re
import shlex
from pathlib import Path

import pytest

from maskcls.cli.main import _parser
from maskcls.config.resolve import resolve

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(
    {
        line.strip().split(" (")[0]
        for block in (
            *re.findall(r"```bash\n(.*?)```", README, re.S),
            *re.findall(r"`(maskcls [^`]*)`", README),
        )
        for line in block.splitlines()
        if line.strip().startswith("maskcls ")
    }
)  # fmt: skip


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_understood(command: str) -> None:
    words = shlex.split(command.replace("[RUN ...]", "RUN"))[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as stop:
            _parser(words).parse_args(words)
        assert stop.value.code == 0
        return
    args = _parser(words).parse_args(words)
    if args.verb == "train":
        resolve(args.preset, None, args.sets)


def test_every_setting_of_the_readme_exists() -> None:
    found = re.findall(r"--set (\S+=[^\s`]+)", README)
    assert len(found) >= 5
    for text in found:
        resolve(None, None, [text])
