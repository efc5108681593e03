"""How the parts of a network draw initial values: each may begin a random stream of its own."""

from collections.abc import Callable

BeginPart = Callable[[str], None]
"""Told the name of a part (a backbone, a head, a branch) before torch draws its initial values."""


def draw_on(part: str) -> None:
    """A BeginPart that lets all parts draw from torch's stream as it stands."""
