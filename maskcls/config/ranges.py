"""Small lists that settings spell as text: age ranges "27-29,57-59" and factors "60+:8,2:3"."""

import re
from dataclasses import dataclass
from typing import Any, Self

from maskcls.config.sizes import text_schema

_RANGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
GROUPS = (*(str(k) for k in range(18)), "<30", "30-59", "60+")
"""What a factor can apply to: a class, or an age group."""


@dataclass(frozen=True)
class AgeRanges:
    """Ranges of ages in years, both ends included; spelled "27-29,57-59" or "none"."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read the text; ValueError says what was expected."""
        if isinstance(text, cls):
            return text
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
    """Whole factors for groups of rows; spelled "60+:8,2:3" or "none"."""

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
            if group not in GROUPS or not factor.isdecimal() or int(factor) < 1:
                raise ValueError(
                    "expected GROUP:FACTOR, such as 60+:8 or 2:3,5:3, or none; groups are 0 to 17,"
                    " <30, 30-59 and 60+, factors whole numbers from 1"
                )
            found.append((group, int(factor)))
        if len({group for group, _ in found}) < len(found):
            raise ValueError("expected each group once")
        return cls(tuple(found))

    def __str__(self) -> str:
        return ",".join(f"{group}:{factor}" for group, factor in self.factors) or "none"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return text_schema(cls)
