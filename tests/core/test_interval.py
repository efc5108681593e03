"""An interval as screens show it."""

from maskcls.core.interval import Interval


def test_as_a_screen_shows_it() -> None:
    found = Interval(0.95, 0.38066, 0.4268)
    assert str(found) == "[0.3807, 0.4268]"
    assert found.shown(2) == "[0.38, 0.43]"


def test_below_zero_and_undefined() -> None:
    assert str(Interval(0.9, -0.5, float("nan"))) == "[-0.5000, nan]"
