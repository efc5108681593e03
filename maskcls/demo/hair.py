"""Hair: one layer behind the head and one in front of it."""

import math

import numpy as np

from maskcls.demo.canvas import Canvas, Colour, mirrored, mix, shade
from maskcls.demo.people import Person

Line = list[tuple[float, float]]

_GREY: Colour = (206, 206, 212)
# The hairline from the right temple to the left one.
_HAIRLINES: dict[str, Line] = {
    "even": [(0.9, -0.55), (0.62, -0.86), (0, -0.95), (-0.62, -0.86), (-0.9, -0.55)],
    "parted": [(0.92, -0.5), (0.74, -0.72), (0.2, -0.82), (-0.42, -1.08), (-0.9, -0.6)],
    "middle": [(0.95, -0.1), (0.82, -0.62), (0.4, -0.95), (0, -1.2), (-0.4, -0.95), (-0.82, -0.62),
               (-0.95, -0.1)],
    "bangs": [(0.93, -0.3), (0.6, -0.5), (0.3, -0.46), (0, -0.54), (-0.3, -0.46), (-0.6, -0.52),
              (-0.93, -0.3)],
    "receding": [(0.95, -0.55), (0.74, -1.08), (0.5, -1.2), (0.2, -1.06), (-0.2, -1.06),
                 (-0.5, -1.2), (-0.74, -1.08), (-0.95, -0.55)],
    "back": [(0.94, -0.4), (0.7, -0.9), (0.3, -1.06), (-0.3, -1.06), (-0.7, -0.9), (-0.94, -0.4)],
}  # fmt: skip
# Style -> hairline, thickness above the head, how far down the sides it reaches.
_CAPS: dict[str, tuple[str, float, float]] = {
    "crop": ("even", 0.08, -0.1),
    "parted": ("parted", 0.2, -0.05),
    "spiky": ("even", 0.12, -0.15),
    "curly": ("even", 0.2, -0.1),
    "bangs": ("bangs", 0.2, 0.0),
    "receding": ("receding", 0.02, -0.05),
    "straight": ("middle", 0.14, 0.3),
    "wavy": ("parted", 0.22, 0.3),
    "fringe": ("bangs", 0.18, 0.3),
    "bob": ("bangs", 0.2, 0.3),
    "ponytail": ("back", 0.1, 0.0),
    "bun": ("back", 0.08, 0.0),
    "pixie": ("parted", 0.18, 0.15),
    "perm": ("even", 0.22, 0.25),
}
LONG = ("straight", "wavy", "fringe")


def draw_hair_behind(head: Canvas, person: Person) -> None:
    """The hair behind head, neck and shoulders: drawn before them."""
    style, dark = person.hair_style, shade(person.hair, 0.82)
    if style in LONG:
        for side in (1, -1):
            head.blob(mirrored(_long_back(style), side), dark)
    elif style == "bob":
        outline = [(0, -1.4), (0.9, -1.2), (1.3, -0.3), (1.36, 0.6), (1.2, 1.12), (0.6, 1.2)]
        head.blob([*outline, *((-x, y) for x, y in reversed(outline[1:]))], dark)
    elif style == "ponytail":
        head.blob(
            [
                (0.4, -1.3),
                (1.2, -1.25),
                (1.55, -0.5),
                (1.5, 0.6),
                (1.25, 1.5),
                (1.1, 0.6),
                (1, -0.5),
            ],
            dark,
        )
    elif style == "bun":
        head.ellipse((0.05, -1.66), (0.46, 0.4), dark)
        head.ellipse((0.02, -1.7), (0.34, 0.26), shade(person.hair, 1.08))
    elif style == "perm":
        _curls(head, person, reach=0.75, radius=0.27, colour=dark)


def draw_hair(head: Canvas, person: Person) -> None:
    """The hair on forehead, temples and cheeks: drawn after face and mask."""
    style = person.hair_style
    if style == "bald":
        _draw_bald(head, person)
        return
    name, thick, reach = _CAPS[style]
    if style in ("curly", "perm"):
        _curls(head, person, reach=reach, radius=0.21, colour=person.hair)
    if style == "spiky":
        for x in np.linspace(-0.85, 0.85, 8):
            tip = (x * 1.15 + 0.12, -1.78 + 0.35 * x * x)
            foot = -1.3 + 0.3 * x * x
            head.polygon([(x - 0.22, foot + 0.2), tip, (x + 0.22, foot + 0.1)], person.hair)
    _draw_cap(head, person.hair, _HAIRLINES[name], thick, reach)
    if style in LONG:
        for side in (1, -1):
            head.blob(mirrored(_lock(style), side), person.hair)
    elif style == "bob":
        lock = [(0.8, -0.7), (1.16, -0.6), (1.32, 0.2), (1.26, 1.0), (1.0, 1.1), (0.93, 0.4)]
        for side in (1, -1):
            head.blob(mirrored(lock, side), person.hair)
    _draw_shine(head, person, thick)
    _draw_grey(head, person, reach)


def _long_back(style: str) -> Line:
    wave = 0.14 if style == "wavy" else 0.0
    return [(-0.1, -1.3), (0.9, -1.15), (1.28, -0.4), (1.36 + wave, 0.5), (1.34 - wave, 1.2),
            (1.42 + wave, 1.9), (1.2, 2.6), (0.7, 2.7), (-0.1, 2.0)]  # fmt: skip


def _lock(style: str) -> Line:
    wave = 0.12 if style == "wavy" else 0.0
    return [(0.62, -0.95), (1.08, -0.75), (1.26, 0.0), (1.26 + wave, 0.7), (1.22 - wave / 2, 1.4),
            (1.32 + wave, 2.1), (1.1, 2.5), (0.92, 1.9), (1.04, 1.2), (0.97 - wave / 2, 0.5),
            (0.93, -0.2)]  # fmt: skip


def _draw_cap(head: Canvas, colour: Colour, hairline: Line, thick: float, reach: float) -> None:
    half = [(0.98 + thick * 0.15, reach), (1.06 + thick * 0.4, -0.45), (0.9 + thick * 0.5, -1.02),
            (0.48 + thick * 0.2, -1.32 - thick * 0.7)]  # fmt: skip
    over = [*half, (0.0, -1.42 - thick), *((-x, y) for x, y in reversed(half))]
    head.blob([*over, *reversed(hairline)], colour)


def _curls(head: Canvas, person: Person, *, reach: float, radius: float, colour: Colour) -> None:
    """Round curls along the head's outline, from one side over the top to the other."""
    # A generator of its own: curls draw many numbers, and must not shift those of other features.
    rng = np.random.default_rng([person.seed, person.index, 20])
    low = math.atan2(reach + 0.2, 1.0)
    for angle in np.linspace(math.pi - low, math.tau + low, 17):
        r = radius * rng.uniform(0.85, 1.2)
        middle = (1.12 * math.cos(angle), -0.2 + 1.25 * math.sin(angle))
        head.ellipse(middle, (r, r), mix(colour, shade(colour, 1.12), rng.random()))


def _draw_bald(head: Canvas, person: Person) -> None:
    """A ring of hair around the ears and a shining top."""
    side_hair = [(0.98, 0.12), (1.14, -0.1), (1.15, -0.5), (1.0, -0.85), (0.92, -0.6), (0.94, -0.2)]
    for side in (1, -1):
        head.blob(mirrored(side_hair, side), person.hair)
    head.ellipse((0.24, -1.06), (0.3, 0.09), (255, 255, 255), 0.3)


def _draw_shine(head: Canvas, person: Person, thick: float) -> None:
    """A gloss over the top: strong for the young, faint for the old."""
    alpha = (0.4, 0.16, 0.06)[person.age_group]
    top = -1.24 - thick * 0.6
    gloss = [(-0.66, top + 0.3), (-0.3, top + 0.07), (0.1, top + 0.03), (0.46, top + 0.14)]
    head.stroke(gloss, 0.13, shade(person.hair, 1.5), alpha)
    strands = shade(person.hair, 0.7)
    for x in (-0.55, -0.15, 0.3, 0.65):
        curve = [(x * 0.5, top - 0.02), (x * 0.9, top + 0.14), (x * 1.2, top + 0.4)]
        head.stroke(curve, 0.035, strands, 0.45)


def _draw_grey(head: Canvas, person: Person, reach: float) -> None:
    """Grey at the temples and grey strands; at 60+ the colour of all hair has grey in it already."""
    if person.grey_temples <= 0 or person.age_group == 2:
        return
    light = mix(person.hair, _GREY, 0.8)
    alpha = 0.85 * person.grey_temples
    temple = [(0.95, reach - 0.02), (1.09, -0.2), (1.06, -0.6), (0.9, -0.72), (0.94, -0.4)]
    for side in (1, -1):
        head.blob(mirrored(temple, side), light, alpha)
        for x in (0.25, 0.55):
            curve = [(side * x, -1.34), (side * (x + 0.2), -1.15), (side * (x + 0.33), -0.92)]
            head.stroke(curve, 0.05, light, alpha * 0.8)
