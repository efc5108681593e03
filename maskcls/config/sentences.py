"""What the validator found, as sentences for the user."""

from collections.abc import Mapping
from typing import Any

from maskcls.config.layers import Value


def sentence_of(error: Mapping[str, Any], flat: Mapping[str, Value], prefix: str = "") -> str:
    """A pydantic error as one sentence: which setting, from where, what is wrong, what it got."""
    name = name_of(error)
    name = f"{prefix}.{name}" if prefix else name
    message = str(error["msg"]).removeprefix("Value error, ")
    if not name:  # a relation between settings: its sentence names them
        return f"{message}."
    origin = f" (from {flat[name].origin})" if name in flat else ""
    message = message.replace("Input should be", "should be")
    return f"{name}{origin}: {message}; it is {error['input']!r}."


def name_of(error: Mapping[str, Any]) -> str:
    """Flat name of the setting that an error is about; "" for a relation between settings."""
    return ".".join(str(x) for x in error["loc"][:2])
