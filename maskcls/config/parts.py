"""Choices that are files: the names in a folder, and the settings each file brings along.

losses/focal.py makes loss.name=focal and its own loss.focal.gamma. Names are found by listing the
folder and settings are read as text with ast, so that --help and the first checks need no torch.
A name is only ever imported if it was found there, never by free text.
"""

import ast
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.core.errors import UserError

FOLDERS = {"loss.name": "losses", "model.head": "models/heads"}
"""Setting that chooses -> folder of the choices, below the package."""
OWN_SETTINGS = {"loss.name": "loss"}
"""Setting that chooses -> section below which a choice's own settings stand."""


@dataclass(frozen=True)
class SettingText:
    """A setting as its source spells it."""

    name: str
    kind: str
    default: str
    doc: str


def _package() -> Path:
    return Path(__file__).parent.parent


def choices(setting: str) -> tuple[str, ...]:
    """Names that the setting can take, sorted."""
    folder = _package() / FOLDERS[setting]
    found = pkgutil.iter_modules([str(folder)])
    return tuple(sorted(m.name for m in found if not m.ispkg and m.name != "base"))


def summary(setting: str, name: str) -> str:
    """First line of the docstring of the choice's file."""
    tree = ast.parse((_package() / FOLDERS[setting] / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").split("\n", 1)[0]


def own_settings(setting: str, name: str) -> tuple[SettingText, ...]:
    """Settings that the choice's file defines in its class Settings, read without importing it."""
    if setting not in OWN_SETTINGS:
        return ()
    path = _package() / FOLDERS[setting] / f"{name}.py"
    return fields_of(path, "Settings", f"{OWN_SETTINGS[setting]}.{name}")


def fields_of(path: Path, class_name: str, prefix: str) -> tuple[SettingText, ...]:
    """Annotated fields of a class in a file, with the docstring under each."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name]
    if not found:
        return ()
    body, settings = found[0].body, []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if documented and isinstance(after.value.value, str):  # type: ignore[union-attr]
            doc = " ".join(after.value.value.split())  # type: ignore[union-attr]
            default = ast.unparse(node.value) if node.value else ""
            kind = ast.unparse(node.annotation)
            settings.append(SettingText(f"{prefix}.{node.target.id}", kind, default, doc))
    return tuple(settings)


def load(setting: str, name: str) -> ModuleType:
    """Import the file behind a choice; UserError lists the choices when there is none."""
    if name not in choices(setting):
        names = ", ".join(choices(setting))
        raise UserError(f"{setting}: there is no {name!r}; choose from {names}.")
    return importlib.import_module(f"maskcls.{FOLDERS[setting].replace('/', '.')}.{name}")


def settings_of(module: ModuleType, values: Mapping[str, Any], prefix: str) -> Any:
    """Validate a choice's own settings against its class Settings; UserError names the setting."""
    from pydantic import TypeAdapter, ValidationError

    from maskcls.config.sentences import sentence_of

    try:
        return TypeAdapter(module.Settings).validate_python(dict(values))
    except ValidationError as e:
        raise UserError("\n".join(sentence_of(x, {}, prefix) for x in e.errors())) from e
