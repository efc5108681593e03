"""Choices that are files: the names in a folder, and the settings that each file defines.

losses/focal.py makes loss.name=focal and its own loss.focal.gamma. Names are found by listing the
folder and settings are read as text with ast, so that --help and the first checks need no torch.
A name is only ever imported if it was found there, never by free text.
"""

import ast
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.core.errors import UserError

FOLDERS = {
    "head.name": "models/heads",
    "head.age": "models/ages",
    "augment.name": "augment/transforms",
    "loss.name": "losses",
}
"""Setting that chooses -> folder of the choices, below the package. A choice's own settings are in
the same section, under its name."""
SUMS = ("augment.name", "loss.name")
"""Settings that can choose several, joined by "+"."""
NONE = ("augment.name",)
"""Settings that can choose nothing, as "none"."""


@dataclass(frozen=True)
class SettingText:
    """A setting as text, from its source."""

    name: str
    kind: str
    default: str
    doc: str


def _package() -> Path:
    return Path(__file__).parent.parent


def choices(setting: str) -> tuple[str, ...]:
    """Names that the setting can take, sorted."""
    folder = _package() / FOLDERS[setting]
    # Lists the files and imports none.
    found = pkgutil.iter_modules([str(folder)])
    return tuple(sorted(m.name for m in found if not m.ispkg and m.name != "base"))


def summary(setting: str, name: str) -> str:
    """First line of the docstring of the choice's file."""
    tree = ast.parse((_package() / FOLDERS[setting] / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").split("\n", 1)[0]


def section_of(setting: str) -> str:
    """Section of a setting that chooses; its choices' own settings are in it, too."""
    return setting.split(".", 1)[0]


def chosen(setting: str, value: str) -> tuple[str, ...]:
    """Names that a value chooses: "f1+focal" is two of them, "none" is none.

    Raises UserError for an unknown name.
    """
    if setting in NONE and value == "none":
        return ()
    names = tuple(x.strip() for x in value.split("+")) if setting in SUMS else (value,)
    for name in names:
        if name not in choices(setting):
            known = [*(["none"] if setting in NONE else []), *choices(setting)]
            joined = " (several joined by +)" if setting in SUMS else ""
            raise UserError(
                f"{setting}: there is no {name!r}; choose from {', '.join(known)}{joined}."
            )
    return names


# Cached, since each --set is checked against all choices' settings.
@cache
def own_settings(setting: str, name: str) -> tuple[SettingText, ...]:
    """Settings that the choice's file defines in its class Settings, read without importing it."""
    path = _package() / FOLDERS[setting] / f"{name}.py"
    return fields_of(path, "Settings", f"{section_of(setting)}.{name}")


def own_defaults(setting: str, name: str) -> dict[str, Any]:
    """Default of each of the choice's own settings; they are literals."""
    return {
        s.name.rsplit(".", 1)[1]: ast.literal_eval(s.default) for s in own_settings(setting, name)
    }


def fields_of(path: Path, class_name: str, prefix: str) -> tuple[SettingText, ...]:
    """Annotated fields of a class in a file, with the docstring under each."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name]
    if not found:
        return ()
    # Python keeps no docstring of a field: it is the string literal that follows in the source.
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
    """Import the file behind one choice; UserError lists the choices when there is none."""
    # The name may come from a run's config.json: only files of this folder are imported.
    if name not in choices(setting):
        names = ", ".join(choices(setting))
        raise UserError(f"{setting}: there is no {name!r}; choose from {names}.")
    return importlib.import_module(f"maskcls.{FOLDERS[setting].replace('/', '.')}.{name}")


def settings_of(setting: str, name: str, values: Mapping[str, Mapping[str, Any]]) -> Any:
    """A choice's own settings, validated against its class Settings; UserError names the setting.

    values: the section's settings of all choices, {choice: {setting: value}}.
    """
    # Imported here: --help reads this module and needs no pydantic.
    from pydantic import TypeAdapter, ValidationError

    from maskcls.config.layers import sentence_of

    module = load(setting, name)
    try:
        return TypeAdapter(module.Settings).validate_python(dict(values.get(name, {})))
    except ValidationError as e:
        prefix = f"{section_of(setting)}.{name}"
        raise UserError("\n".join(sentence_of(x, {}, prefix) for x in e.errors())) from e
