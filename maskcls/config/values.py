"""Values of settings with a spelling of their own: "384x288", "center:384x384", "27-29,57-59"."""

import re
from dataclasses import dataclass
from typing import Any, Self

# No leading zeros, so that a size has one spelling, and at most five digits.
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
    """The crop of an image before resizing: none, its centre, or the face with a margin.

    center: size of the centre crop; margin: of the face crop, as a share of the face's size on each
    side; fill: the largest centred box of the output's shape; at most one of them is set.
    """

    center: Size | None = None
    margin: float | None = None
    fill: bool = False

    @classmethod
    def center_of(cls, height: int, width: int) -> Self:
        """A centre crop of a size in pixels."""
        return cls(Size(height, width))

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read "none", "fill", "center:HEIGHTxWIDTH", "face", "face:MARGIN"; ValueError otherwise."""
        if isinstance(text, cls):
            return text
        if text == "none":
            return cls()
        if text == "fill":
            return cls(fill=True)
        if isinstance(text, str) and text.startswith("center:"):
            return cls(Size.parse(text.removeprefix("center:")))
        if text == "face":
            return cls(margin=DEFAULT_MARGIN)
        if isinstance(text, str) and _MARGIN.fullmatch(text):
            return cls(margin=float(text.removeprefix("face:")))
        raise ValueError(
            "expected none, fill, center:HEIGHTxWIDTH such as center:384x384, face, or face:MARGIN with"
            " a margin from 0 to 3 such as face:0.3"
        )

    def __str__(self) -> str:
        if self.margin is not None:
            return f"face:{self.margin:g}"
        if self.fill:
            return "fill"
        return "none" if self.center is None else f"center:{self.center}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return text_schema(cls)


def text_schema(kind: Any) -> Any:
    """The pydantic schema of a class with a text form: kind.parse reads it, str writes it."""
    # Imported here, so that importing the schema does not import pydantic.
    from pydantic_core import core_schema

    return core_schema.no_info_plain_validator_function(
        kind.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
    )


_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


@dataclass(frozen=True)
class AgeRanges:
    """Ranges of ages in years, both ends included; spelled "27-29,57-59" or "none"."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read the text; ValueError says what was expected."""
        if isinstance(text, cls):
            return text
        # rows.drop_ages=57 is read as a number by TOML.
        text = str(text) if isinstance(text, int) and not isinstance(text, bool) else text
        if text == "none":
            return cls(())
        matches = (
            [_RANGE.fullmatch(p.strip()) for p in text.split(",")] if isinstance(text, str) else []
        )
        found = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
        if not found or len(found) != len(matches) or any(low > high for low, high in found):
            raise ValueError("expected ages such as 57-59 or 27-29,57-59, or none")
        return cls(tuple(found))

    def __contains__(self, age: object) -> bool:
        return any(low <= age <= high for low, high in self.ranges)  # type: ignore[operator]

    def __str__(self) -> str:
        return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in self.ranges) or "none"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return text_schema(cls)


@dataclass(frozen=True)
class Factors:
    """Integer factors for classes or values of a label's parts; spelled "60+:8,2:3" or "none".

    Which names exist is a matter of the task, known when the data is read.
    """

    factors: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read the text; ValueError says what was expected."""
        if isinstance(text, cls):
            return text
        if text == "none":
            return cls(())
        found = []
        for part in text.split(",") if isinstance(text, str) else [""]:
            group, _, factor = part.strip().rpartition(":")
            if not group.strip() or not factor.isdecimal() or int(factor) < 1:
                raise ValueError(
                    "expected NAME:FACTOR, such as 60+:8 or 2:3,5:3, or none; names are classes, by name"
                    " or number, or values of a part of the label, factors whole numbers from 1"
                )
            found.append((group.strip(), int(factor)))
        if len({group for group, _ in found}) < len(found):
            raise ValueError("expected each name once")
        return cls(tuple(found))

    def __str__(self) -> str:
        return ",".join(f"{group}:{factor}" for group, factor in self.factors) or "none"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return text_schema(cls)
