"""Sizes and crops as settings spell them: "384x288" and "center:384x384", height before width."""

import re
from dataclasses import dataclass
from typing import Any, Self

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_MARGIN = re.compile(r"face:([0-2](\.\d{1,3})?|\.\d{1,3}|3(\.0{1,3})?)")
DEFAULT_MARGIN = 0.3


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
        return text_schema(cls)


@dataclass(frozen=True)
class Crop:
    """What is cut from a photo before it is resized: nothing, its centre, or the face with a margin.

    center: size of the centre crop; margin: of the face crop, as a share of the face's size on each
    side; at most one of them is set.
    """

    center: Size | None = None
    margin: float | None = None

    @classmethod
    def center_of(cls, height: int, width: int) -> Self:
        """A centre crop of a size in pixels."""
        return cls(Size(height, width))

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read "none", "center:HEIGHTxWIDTH", "face" or "face:MARGIN"; ValueError otherwise."""
        if isinstance(text, cls):
            return text
        if text == "none":
            return cls()
        if isinstance(text, str) and text.startswith("center:"):
            return cls(Size.parse(text.removeprefix("center:")))
        if text == "face":
            return cls(margin=DEFAULT_MARGIN)
        if isinstance(text, str) and _MARGIN.fullmatch(text):
            return cls(margin=float(text.removeprefix("face:")))
        raise ValueError(
            "expected none, center:HEIGHTxWIDTH such as center:384x384, face, or face:MARGIN with a"
            " margin from 0 to 3 such as face:0.3"
        )

    def __str__(self) -> str:
        if self.margin is not None:
            return f"face:{self.margin:g}"
        return "none" if self.center is None else f"center:{self.center}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return text_schema(cls)


def text_schema(kind: Any) -> Any:
    """The pydantic schema of a class that is spelled as text: kind.parse reads, str writes."""
    # Imported here so that reading the schema module costs no pydantic.
    from pydantic_core import core_schema

    return core_schema.no_info_plain_validator_function(
        kind.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
    )
