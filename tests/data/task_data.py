"""Small data folders of any task: files of any bytes, since reading a table decodes no image."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.data.any_table import AnyTable, read_any
from maskcls.data.find_task import find_task
from maskcls.data.findings import Faults, Finding, Findings
from maskcls.data.propose import propose
from maskcls.data.task_file import TaskFile, parse_task
from maskcls.store.folder import Folder


@dataclass(frozen=True)
class TaskData:
    """A data folder that a test fills."""

    root: Path

    def files(self, *names: str) -> "TaskData":
        for name in names:
            self.text(name, "image")
        return self

    def text(self, name: str, text: str) -> "TaskData":
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return self

    def csv(self, name: str, *lines: str) -> "TaskData":
        return self.text(name, "\n".join(lines) + "\n")

    @property
    def folder(self) -> Folder:
        return Folder.at(self.root)

    def find(self, asked: str | None = None) -> TaskFile:
        return find_task(self.folder, asked)

    def read(self, file: TaskFile | None = None, needs_eval: bool = True) -> AnyTable:
        return self.read_all(file, needs_eval)[0]

    def read_all(
        self, file: TaskFile | None = None, needs_eval: bool = True
    ) -> tuple[AnyTable, tuple[Finding, ...]]:
        faults, findings = Faults(), Findings()
        table = read_any(self.folder, file or self.find(), faults, findings, needs_eval)
        return table, findings.collected()

    def findings(self, kind: str) -> list[str]:
        return [f"{one.where}: {one.text}" for one in self.read_all()[1] if one.kind == kind]

    def refusal(self) -> str:
        with pytest.raises(UserError) as caught:
            self.read()
        return str(caught.value)


def labels(table: AnyTable) -> dict[str, str]:
    """The class of each image."""
    classes = table.task.classes
    return {p: classes[n] for p, n in zip(table.images["path"], table.images["label"], strict=True)}


def groups(table: AnyTable) -> dict[str, str]:
    """The group of each image."""
    return dict(zip(table.images["path"], table.images["group"].astype(str), strict=True))


def proposed(data: TaskData) -> TaskFile:
    """The proposal as parsed; each line that is no table has its reason."""
    text = propose(data.folder)
    for line in text.splitlines():
        assert not line or line.startswith(("#", "[")) or "  # " in line, line
    return parse_task(text.encode(), "proposal")
