"""Face masks: five kinds, many colours, worn correctly or incorrectly."""

from dataclasses import dataclass

import numpy as np

from maskcls.demo.canvas import Canvas, Colour, mirrored, shade, symmetric

KINDS = ("surgical", "respirator", "plain", "dots", "stripes")
PLACES = ("worn", "nose out", "chin")
"""Over nose and mouth; over the mouth only; below the mouth."""
_COLOURS: tuple[Colour, ...] = (
    (246, 248, 250),
    (176, 214, 236),
    (44, 46, 54),
    (150, 156, 166),
    (244, 190, 204),
    (64, 84, 132),
    (156, 200, 176),
    (186, 164, 214),
    (178, 78, 84),
)
# Right half of the outline, from the top of the middle to its bottom [face units].
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "worn": [(0, 0.04), (0.2, 0.1), (0.5, 0.24), (0.9, 0.26), (0.94, 0.6), (0.8, 1.0), (0.5, 1.34),
             (0, 1.48)],
    "nose out": [(0, 0.56), (0.2, 0.58), (0.5, 0.62), (0.88, 0.62), (0.9, 0.9), (0.74, 1.22),
                 (0.46, 1.52), (0, 1.66)],
    "chin": [(0, 1.04), (0.2, 1.04), (0.46, 1.02), (0.8, 0.84), (0.84, 1.08), (0.7, 1.36),
             (0.44, 1.66), (0, 1.78)],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask; place: one of PLACES; slip: how far lower it sits [face units]."""

    kind: str
    colour: Colour
    place: str
    slip: float


def draw_mask(seed: int, index: int, number: int, place: str) -> Mask:
    """Person `index`'s mask `number`: no two of a person's first nine have the same colour."""
    # One generator per person for colours and kinds, so that a person's masks differ; another per mask.
    wardrobe = np.random.default_rng([seed, index, 30])
    colour = _COLOURS[int(wardrobe.permutation(len(_COLOURS))[number])]
    kind = KINDS[int(wardrobe.permutation(len(KINDS))[number % len(KINDS)])]
    slip = float(np.random.default_rng([seed, index, 31, number]).uniform(-0.03, 0.06))
    return Mask(kind, colour, place, slip)


def paint_mask(features: Canvas, mask: Mask) -> None:
    """Draw the mask on a face; features: the canvas on which eyes and nose are drawn."""
    outline = _OUTLINES[mask.place]
    canvas = features.moved(0, mask.slip)
    edge = shade(mask.colour, 0.72)
    upper, lower = outline[3], outline[5]
    for side in (1, -1):
        for start, bend in ((upper, -0.02), (lower, 0.12)):
            strap = [start, (0.98, (start[1] + 0.1) / 2 + bend), (1.06, 0.02)]
            canvas.stroke(mirrored(strap, side), 0.045, shade(mask.colour, 0.86), pointed=False)
    grown = symmetric([(x * 1.02, y + (0.02 if y > 0.7 else -0.02)) for x, y in outline])
    canvas.blob(grown, edge)
    canvas.blob(symmetric(outline), mask.colour)
    top, bottom = outline[0][1], outline[-1][1]
    if mask.kind == "surgical":
        for share in (0.32, 0.52, 0.72):
            y = top + (bottom - top) * share
            canvas.stroke([(-0.78, y - 0.06), (0, y + 0.04), (0.78, y - 0.06)], 0.035, edge)
    elif mask.kind == "respirator":
        middle = top + (bottom - top) * 0.45
        for bend in (-0.14, 0.2):
            line = [(-0.88, middle), (-0.4, middle + bend), (0.4, middle + bend), (0.88, middle)]
            canvas.stroke(line, 0.04, edge)
    else:
        canvas.stroke([(0, top), (0.03, (top + bottom) / 2), (0, bottom)], 0.025, edge)
        _paint_pattern(canvas, mask, top, bottom)
    # Shadow on the side away from the light, and the wire over the nose.
    half = [(x, y) for x, y in outline if x > 0.4]
    inner = [(x - 0.26, y) for x, y in reversed(half)]
    canvas.blob([*half, *inner], (0, 0, 0), 0.08)
    wire = [(-0.3, outline[1][1] + 0.08), (0, top + 0.07), (0.3, outline[1][1] + 0.08)]
    canvas.stroke(wire, 0.035, edge, 0.7)


def _paint_pattern(canvas: Canvas, mask: Mask, top: float, bottom: float) -> None:
    """Dots or stripes in a colour that contrasts with the cloth."""
    light = sum(mask.colour) > 380
    ink = shade(mask.colour, 0.6) if light else shade(mask.colour, 1.6)
    rows = 4 if bottom - top > 1.2 else 3
    for row in range(rows):
        share = (row + 0.7) / (rows + 0.5)
        y = top + (bottom - top) * share
        half = 0.78 - 0.46 * share**2
        if mask.kind == "stripes":
            canvas.stroke([(-half, y), (0, y + 0.07), (half, y)], 0.075, ink, pointed=False)
        elif mask.kind == "dots":
            for x in np.linspace(-half, half, 5 - row % 2):
                canvas.ellipse((float(x), y), (0.05, 0.05), ink)
