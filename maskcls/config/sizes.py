"""Sizes and crops as settings spell them: "384x288" and "center:384x384", height before width."""

import re
from dataclasses import dataclass
from typing import Any, Self

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


@dataclass(frozen=True, order=True)
class Size:
    """Height and width in pixels, spelled HEIGHTxWIDTH."""

    height: int
    width: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read "HEIGHTxWIDTH"; ValueError says what was expected."""
        if isinstance(text, cls):
            return text
        match = _SIZE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError("expected HEIGHTxWIDTH in pixels, such as 384x288")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return _text_schema(cls)


@dataclass(frozen=True)
class Crop:
    """What is cut from a photo before it is resized: nothing, or the centre of a given size."""

    center: Size | None

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read "none" or "center:HEIGHTxWIDTH"; ValueError says what was expected."""
        if isinstance(text, cls):
            return text
        if text == "none":
            return cls(None)
        if isinstance(text, str) and text.startswith("center:"):
            return cls(Size.parse(text.removeprefix("center:")))
        raise ValueError("expected none or center:HEIGHTxWIDTH, such as center:384x384")

    def __str__(self) -> str:
        return "none" if self.center is None else f"center:{self.center}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return _text_schema(cls)


def _text_schema(kind: Any) -> Any:
    # Imported here so that reading the schema module costs no pydantic.
    from pydantic_core import core_schema

    return core_schema.no_info_plain_validator_function(
        kind.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
    )
