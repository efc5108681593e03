"""A confidence interval, as files and screens have it; statistics/intervals.py computes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A confidence interval; low and high in the unit of the statistic, level in 0..1."""

    level: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.shown()

    def shown(self, digits: int = 4) -> str:
        """As a screen shows it: [0.3807, 0.4268]."""
        return f"[{self.low:.{digits}f}, {self.high:.{digits}f}]"
