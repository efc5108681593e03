"""The end of "maskcls train --help": every setting with its value, choices and presets.

Reads the schema and the files of the choices as text, so that --help imports no torch and no pydantic.
"""

import ast
import dataclasses
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maskcls.config import parts, schema
from maskcls.config.layers import DEFAULT_PRESET, Value, gather, preset_head, preset_names

PIPED_WIDTH = 100
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
# annotated_types' names, as the schema's source spells them.
_BOUNDS = {"Ge": "of at least", "Gt": "above", "Le": "at most", "Lt": "below"}


def settings_text(preset: str | None) -> str:
    """Sections with their settings, then what can be chosen, then the presets; ends with a newline.

    preset: whose values are shown, None for the default one. Raises UserError for an unknown preset.
    As wide as the terminal, or PIPED_WIDTH columns without one.
    """
    flat = gather(preset)
    lines = [
        f"Settings, with their values under preset {preset or DEFAULT_PRESET}; --set NAME=VALUE or"
        " a TOML file changes them.",
    ]
    for section in dataclasses.fields(schema.Config):
        lines += ["", *_section(section.name, type(getattr(schema.Config(), section.name)), flat)]
    for setting in parts.FOLDERS:
        lines += ["", *_choices(setting, flat)]
    lines += ["", "presets, for --preset NAME:"]
    lines += [f"  {name}: {preset_head(name)}" for name in preset_names()]
    # In a narrower terminal a line would have little room beside its indent.
    width = max(40, _width())
    return "\n".join(part for line in lines for part in _wrapped(line, width)) + "\n"


def _width() -> int:
    piped = sys.stdout is None or not sys.stdout.isatty()
    return PIPED_WIDTH if piped else shutil.get_terminal_size((PIPED_WIDTH, 24)).columns


def _wrapped(line: str, width: int) -> list[str]:
    depth = len(line) - len(line.lstrip())
    hanging = " " * (depth if depth >= 6 else depth + 4)  # from 6 on it is a setting's docstring
    return textwrap.wrap(
        line, width, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False
    ) or [""]


def _section(name: str, kind: type, flat: Mapping[str, Value]) -> Iterator[str]:
    yield f"{name}: {_docstring(kind.__name__)}"
    path, defaults = Path(schema.__file__), kind()
    for setting in parts.fields_of(path, kind.__name__, name):
        default = getattr(defaults, setting.name.removeprefix(f"{name}."))
        yield from _setting(setting, default, flat)


def _docstring(class_name: str) -> str:
    """A section's docstring, from the source, since python -OO removes it from the class."""
    tree = ast.parse(Path(schema.__file__).read_text(encoding="utf-8"))
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name]
    return " ".join((ast.get_docstring(found[0]) or "").split())


def _setting(setting: parts.SettingText, default: Any, flat: Mapping[str, Value]) -> Iterator[str]:
    value = flat[setting.name].value if setting.name in flat else default
    takes = _takes(setting.kind)
    yield f"  {setting.name} = {shown(value)}"
    yield f"      {setting.doc}" + (f" Takes {takes}." if takes else "")


def _choices(setting: str, flat: Mapping[str, Value]) -> Iterator[str]:
    several = " one, or several joined by +" if setting in parts.SUMS else ""
    yield f"choices for {setting}:{several}"
    if setting in parts.NONE:
        yield "  none: none of these."
    for name in parts.choices(setting):
        yield f"  {name}: {parts.summary(setting, name)}"
        for own in parts.own_settings(setting, name):
            for line in _setting(own, _literal(own.default), flat):
                yield f"  {line}"


def _literal(source: str) -> Any:
    try:
        return ast.literal_eval(source)
    except ValueError:  # an expression, such as a product of constants: shown as it is written
        return source


def shown(value: object) -> str:
    """A value as one would type it: 0.001, true, auto, [10, 15], {fake_gpu = 1}."""
    # Before numbers: a bool is an int in Python. In TOML it is written in lower case.
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Short where it is exact, or the value could not be typed back.
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {shown(x)}" for key, x in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(x) for x in value)}]"
    return str(value)


def _takes(kind: str) -> str:
    """What a setting accepts, from its annotation's text; "" where the docstring says it."""
    # From the text, since evaluating an annotation would need pydantic.
    *others, last = _alternatives(ast.parse(kind, mode="eval").body) or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _alternatives(node: ast.expr) -> list[str]:
    # The forms of annotation that schema.py and the choices use; any other says nothing here.
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_alternatives(left), *_alternatives(right)]
        case ast.Name(id="Auto"):
            return ["auto"]
        case ast.Name(id=name) if name in _KINDS:
            return [_KINDS[name]]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            names = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return [str(ast.literal_eval(x)) for x in names]
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *bounds])):
            text = " or ".join(_alternatives(inner))
            return [" ".join([text, " and ".join(_bound(b) for b in bounds)]).strip()]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[inner, _])):
            return [f"a list, each {' or '.join(_alternatives(inner))}"]
    return []


def _bound(node: ast.expr) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[limit]) if name in _BOUNDS:
            return f"{_BOUNDS[name]} {ast.unparse(limit)}"
    return ""
