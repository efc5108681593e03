"""What building a network finds worth a line: names and weights that were not taken as written."""

from collections.abc import Callable

Report = Callable[[str], None]
"""Called with a sentence without its full stop."""


def ignore(sentence: str) -> None:
    """A Report for where it has been reported already, as in a fold's worker."""
