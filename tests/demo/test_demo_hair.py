"""Hair of every style, behind and in front of a head."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maskcls.demo.canvas import Canvas
from maskcls.demo.hair import LONG, draw_hair, draw_hair_behind
from maskcls.demo.people import draw_person

WALL = (0, 0, 255)
STYLES = (
    "bald", "bangs", "bob", "bun", "crop", "curly", "fringe", "parted", "perm", "pixie", "ponytail",
    "receding", "spiky", "straight", "wavy",
)  # fmt: skip


def head() -> Canvas:
    """An empty picture with the head in its middle."""
    return Canvas(Image.new("RGB", (200, 300), WALL), np.array([[30.0, 0, 100], [0, 30.0, 100]]))


def painted(canvas: Canvas) -> int:
    """How many pixels are no longer of the wall's colour."""
    return int((np.asarray(canvas.image) != WALL).any(axis=2).sum())


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_drawn_the_same_each_time(style: str) -> None:
    person = replace(draw_person(1, 2), hair_style=style)
    one, other = head(), head()
    for canvas in (one, other):
        draw_hair_behind(canvas, person)
        draw_hair(canvas, person)
    assert painted(one) > 0
    assert one.image.tobytes() == other.image.tobytes()


@pytest.mark.parametrize("style", STYLES)
def test_only_long_or_thick_hair_is_behind_the_head(style: str) -> None:
    canvas = head()
    draw_hair_behind(canvas, replace(draw_person(1, 2), hair_style=style))
    assert (painted(canvas) > 0) is (style in (*LONG, "bob", "ponytail", "bun", "perm"))
