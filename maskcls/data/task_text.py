"""The text of a task file, line by line, each with the reason for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

_HEAD = """\
# Proposed by maskcls check --propose: read it, correct it, then run maskcls check again.
"""


@dataclass
class TaskText:
    """Lines of a task file."""

    lines: list[str] = field(default_factory=list)

    def table(self, name: str, active: bool = True) -> None:
        """Start a table; name: with its brackets. active: else it is a comment."""
        name = name if active else f"# {name}"
        self.lines += ["", name] if self.lines else [name]

    def add(self, key: str, value: str | Sequence[str], why: str, active: bool = True) -> None:
        """Add a key with its reason; active: else it is a comment, to be taken if it is right."""
        # JSON's strings and lists of strings are TOML's, too.
        shown = value if isinstance(value, str) else list(value)
        line = f"{'' if active else '# '}{key} = {json.dumps(shown, ensure_ascii=False)}"
        self.lines.append(f"{line:<32}  # {why}")

    def append(self, other: "TaskText") -> None:
        """Add all lines of another text, if it has any."""
        self.lines += other.lines and ["", *other.lines]

    def text(self) -> str:
        """The whole text."""
        return _HEAD + "\n".join(self.lines) + "\n"
