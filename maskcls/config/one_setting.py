"""One setting by its name, as one looks for runs by it: is there such a setting, such a value."""

import ast
import difflib
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from maskcls.config import parts
from maskcls.config.layers import Value, parse_value
from maskcls.config.resolve import known_settings, own_settings, value_faults
from maskcls.config.schema import PLACEMENT_ONLY, Config
from maskcls.core.errors import UserError


def require_setting(name: str, where: str, others: Iterable[str] = ()) -> None:
    """UserError, with the nearest name, for one that no setting that can change a number has.

    where: begins the message. others: names that are valid beside those of settings.
    """
    names = [n for n in [*others, *known_settings(), *own_settings()] if n not in PLACEMENT_ONLY]
    if name in PLACEMENT_ONLY:
        raise UserError(f"{where}: {name} places the work and changes no number; name another one.")
    if name not in names:
        raise UserError(f"{where}: there is no {name}{did_you_mean(name, names)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: the nearest of the known words, or all of them if they are few."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]}?"
    return (
        f"; choose from {', '.join(names)}." if len(names) <= 30 else "; see maskcls train --help."
    )


def read_value(name: str, text: str, where: str) -> Any:
    """The value of a setting that exists, as config.json has it: face is face:0.3.

    Raises UserError for a value that the setting cannot have; of a choice, with the nearest one.
    """
    known, own = known_settings(), own_settings().get(name)
    kind = _own_kind(own.kind) if own else known[name]
    options = parts.choices(name) if name in parts.FOLDERS else _options(kind)
    # Of a sum, such as loss.name=f1+focal, each.
    words = text.split("+") if name in parts.SUMS else [text]
    for word in (word.strip() for word in words):
        if options and word not in options and not (name in parts.NONE and text == "none"):
            known_words = [*(["none"] if name in parts.NONE else []), *options]
            raise UserError(f"{where}: there is no {word!r}{did_you_mean(word, known_words)}")
    typed = Value(parse_value(text), where, text)
    if own:
        return _own_value(own.kind, typed, where)
    if faults := value_faults({name: typed}):
        raise UserError(faults[0])
    return _as_written(name, typed.as_text() if kind is str else typed.value)


def _own_value(kind: str, typed: Value, where: str) -> Any:
    # The bounds are not looked at: they would need the choice's module, and it torch.
    if not kind.startswith("Annotated"):
        return typed.as_text()
    if not isinstance(typed.value, int | float) or isinstance(typed.value, bool):
        raise UserError(f"{where}: should be a number; it is {typed.value!r}.")
    return typed.value


def _own_kind(text: str) -> Any:
    """The annotation Literal[...] of a choice's own setting; None for any other."""
    prefix = "Literal["
    if not text.startswith(prefix):
        return None
    return Literal[ast.literal_eval(f"({text[len(prefix) : -1]},)")]


def _options(kind: Any) -> tuple[str, ...]:
    """Values of an annotation that is a choice of words or numbers; none of any other."""
    if get_origin(kind) is Literal:
        return tuple(str(value) for value in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        found = [_options(one) for one in get_args(kind)]
        return sum(found, ()) if all(found) else ()
    return ()


def _as_written(name: str, value: Any) -> Any:
    # Imported here, as in resolve.py: without --where there is nothing to validate.
    from pydantic import TypeAdapter

    section, key = name.split(".", 1)
    # Of the section alone: Config would hold the value against the defaults of others.
    adapter = TypeAdapter(type(getattr(Config(), section)))
    return adapter.dump_python(adapter.validate_python({key: value}), mode="json")[key]
