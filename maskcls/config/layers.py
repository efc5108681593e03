"""Sources of settings: preset, then the user's TOML file, then each --set; the last one overrides.

All are flattened to {"optim.lr": Value(1e-4, "--set")}, so that messages can name a value's origin.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskcls.core.errors import UserError

DEFAULT_PRESET = "report"
_PRESETS = Path(__file__).parent / "presets"
# Settings whose value is itself a table: flattening stops there.
_TABLES = ("cluster.resources_per_worker",)
# A preset's value of the former is meant for its own choice of the latter, and dropped with another.
GOES_WITH = {"loss.weights": "loss.name", "optim.warmup_epochs": "optim.schedule"}


@dataclass(frozen=True)
class Value:
    """A value, its origin, and its text where it was typed as NAME=VALUE."""

    value: Any
    origin: str
    typed: str | None = None

    @property
    def is_presets(self) -> bool:
        """Whether it comes from a preset, not from the user."""
        return self.origin.startswith("preset ")

    def as_text(self) -> Any:
        """The value of a setting that is text, such as the name of a folder, which may be 2021.

        As typed, if it was: 007 and 1e3 stay. From a file, a whole number as its digits; other values
        are returned unchanged for the validator to refuse, since their spelling is lost.
        """
        if isinstance(self.value, str | bool):
            return self.value
        if self.typed is not None:
            return self.typed
        return str(self.value) if isinstance(self.value, int) else self.value


@dataclass(frozen=True)
class TomlFile:
    """A TOML file, local or not: its name in messages, and its content."""

    name: str
    content: bytes

    def values(self) -> dict[str, Any]:
        """Its values, nested; UserError when it is not TOML."""
        try:
            # -sig: Windows editors write a byte order mark, which TOML does not allow.
            return tomllib.loads(self.content.decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise UserError(f"{self.name}: not a TOML file: {e}.") from e


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship with the package, sorted."""
    return tuple(sorted(p.stem for p in _PRESETS.glob("*.toml")))


def preset_head(name: str) -> str:
    """First comment line of a preset's file: its description."""
    with (_PRESETS / f"{name}.toml").open(encoding="utf-8") as f:
        return f.readline().lstrip("# ").strip()


def gather(
    preset: str | None = None, file: TomlFile | None = None, sets: Iterable[str] = ()
) -> dict[str, Value]:
    """Combine preset, TOML file and NAME=VALUE texts; later ones override earlier ones.

    Raises UserError for an unknown preset, a file that is not TOML, or a text without "=".
    """
    name = preset or DEFAULT_PRESET
    if name not in preset_names():
        raise UserError(f"--preset {name}: no such preset; there are {', '.join(preset_names())}.")
    own = TomlFile(f"preset {name}", (_PRESETS / f"{name}.toml").read_bytes())
    presets = _flatten(own.values(), own.name)
    # presets is needed again below, to see which choices the user replaced.
    flat = dict(presets)
    if file is not None:
        flat |= _flatten(file.values(), file.name)
    for text in sets:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UserError(f"--set {text}: write it as NAME=VALUE, such as --set optim.lr=1e-4.")
        typed = value.strip()
        flat[key.strip()] = Value(parse_value(typed), "--set", typed)
    # Not an error: the user who replaces a preset's loss need not know that it had weights.
    for setting, choice in GOES_WITH.items():
        kept = flat.get(choice, Value(None, "")).value == presets.get(choice, Value(None, "")).value
        if setting in flat and flat[setting].is_presets and not kept:
            del flat[setting]
    return flat


def with_changes(
    base: Mapping[str, Value], changes: Mapping[str, Value], origin: str
) -> dict[str, Value]:
    """The base with other values of some settings.

    origin: begins with "preset "; of the base's values, so that those which have no effect beside the
    changes are ignored as a preset's are, and not refused as typed ones would be.
    """
    flat = {name: Value(value.value, origin, value.typed) for name, value in base.items()}
    # A value of base that goes with another choice than the changed one must not stay.
    for name, choice in GOES_WITH.items():
        if choice in changes and name not in changes:
            flat.pop(name, None)
    return flat | dict(changes)


def parse_value(text: str) -> Any:
    """A value as TOML reads it, else the text itself (so that names need no quotes)."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        pass
    # .794 is not a TOML number, but often written, in lists, too.
    whole = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    try:
        return tomllib.loads(f"v = {whole}")["v"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return float(text)  # what only Python reads as a number, such as 1.
    except ValueError:
        return text


def _flatten(tree: Mapping[str, Any], origin: str, prefix: str = "") -> dict[str, Value]:
    flat: dict[str, Value] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in _TABLES:
            flat |= _flatten(value, origin, f"{name}.")
        else:
            flat[name] = Value(value, origin)
    return flat


def sentence_of(error: Mapping[str, Any], flat: Mapping[str, Value], prefix: str = "") -> str:
    """A pydantic error as one sentence: which setting, from where, what is wrong, what it got."""
    name = name_of(error)
    name = f"{prefix}.{name}" if prefix else name
    message = str(error["msg"]).removeprefix("Value error, ")
    if not name:  # a relation between settings: its message names them
        return f"{message}."
    origin = f" (from {flat[name].origin})" if name in flat else ""
    # pydantic's "valid string" does not say how to write one.
    if error.get("type") == "string_type":
        message = "should be text, in quotes"
    message = message.replace("Input should be", "should be")
    return f"{name}{origin}: {message}; it is {error['input']!r}."


def name_of(error: Mapping[str, Any]) -> str:
    """Flat name of the setting that an error is about; "" for a relation between settings."""
    return ".".join(str(x) for x in error["loc"][:2])
