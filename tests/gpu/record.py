"""The file that grows: machine, figures, faults. Whole at any moment, whatever is killed."""

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
Content = dict[str, Any]


class Record:
    """What is known so far, on disk after each change."""

    def __init__(self, path: Path, device: str, tiny: bool) -> None:
        self._path = path
        self.content: Content = {
            "format": FORMAT,
            "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "device": device,
            "tiny": tiny,
            "machine": {
                "cores": len(os.sched_getaffinity(0)),
                "machine": platform.machine(),
                "python": platform.python_version(),
            },
            "figures": [],
            "faults": {},
            "left_out": {},
            "seconds": {},
        }
        self._write()

    def know(self, facts: Mapping[str, Any]) -> None:
        """Facts of the machine."""
        self.content["machine"] |= facts
        self._write()

    def add(self, check: str, figure: Mapping[str, Any]) -> None:
        """A figure: what, value, unit, and ok where there is right and wrong."""
        self.content["figures"].append({"check": check, **figure})
        print(_line(self.content["figures"][-1]), flush=True)
        self._write()

    def fault(self, check: str, text: str) -> None:
        """The check could not be made."""
        self.content["faults"][check] = text
        print(f"  {check}: {text}", flush=True)
        self._write()

    def leave_out(self, check: str, reason: str) -> None:
        """The check was not tried."""
        self.content["left_out"][check] = reason
        print(f"  {check}: left out, {reason}", flush=True)
        self._write()

    def took(self, check: str, seconds: float) -> None:
        """How long the check's process ran [s]."""
        self.content["seconds"][check] = round(seconds, 1)
        self._write()

    def is_good(self) -> bool:
        """No fault, and nothing that ought to be true is false."""
        return not self.content["faults"] and all(
            figure.get("ok", True) for figure in self.content["figures"]
        )

    def _write(self) -> None:
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        part.replace(self._path)


def read(path: Path) -> Content:
    """A file of an earlier call."""
    content: Content = json.loads(path.read_text(encoding="utf-8"))
    return content


def as_text(content: Content) -> str:
    """For a terminal: all figures, then what is missing."""
    machine = ", ".join(f"{name} {value}" for name, value in content["machine"].items())
    lines = [f"{content['date']}, {content['device']}: {machine}"]
    lines += [_line(figure) for figure in content["figures"]]
    for kind in ("faults", "left_out"):
        lines += [f"{kind}: {check}: {text}" for check, text in content[kind].items()]
    return "\n".join(lines)


def as_markdown(content: Content) -> str:
    """For a page: machine, a table of the figures, what is missing."""
    machine = ", ".join(f"{name} {value}" for name, value in content["machine"].items())
    lines = [f"{content['date']}; {content['device']}; {machine}.", ""]
    lines += ["| check | what | figure |", "|---|---|---|"]
    for figure in content["figures"]:
        lines.append(f"| {figure['check']} | {figure['what']} | {_value(figure)} |")
    missing = {**content["faults"], **content["left_out"]}
    lines += [f"\nNot measured: {check} ({text})." for check, text in missing.items()]
    return "\n".join(lines)


def _line(figure: Mapping[str, Any]) -> str:
    return f"  {figure['check']:18} {figure['what']:52} {_value(figure)}"


def _value(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    if isinstance(value, float):
        value = f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    shown = f"{value} {figure.get('unit', '')}".strip()
    return shown if figure.get("ok", True) else f"{shown} WRONG"
