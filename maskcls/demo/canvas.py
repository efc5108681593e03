"""Smooth shapes in face units on a picture, of which a drawn person consists.

A face unit is half a face's width: x grows to the right, y downwards, (0, 0) is the middle of
the face. Shapes are polygons whose corners go through one affine map, so that a head is
turned, moved and scaled with the same drawing code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]] | npt.NDArray[np.float64]

_SAMPLES = 7
"""Corners per control point of a smooth curve; more would not be visible at twice the size."""


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour `share` of the way from one to the other; share 0 is `one`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1: towards black) or lighter (factor > 1: towards white, 2 is white)."""
    if factor <= 1:
        return mix((0, 0, 0), colour, factor)
    return mix(colour, (255, 255, 255), min(factor - 1, 1))


def saturate(colour: Colour, factor: float) -> Colour:
    """The colour with its distance from grey multiplied by factor."""
    grey = round(0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2])
    red, green, blue = (min(255, max(0, round(grey + (c - grey) * factor))) for c in colour)
    return red, green, blue


def mirrored(points: Points, side: int) -> npt.NDArray[np.float64]:
    """The points as they are (side 1) or on the other side of the face (side -1)."""
    return np.asarray(points, dtype=np.float64) * (side, 1)


def symmetric(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A closed outline from its right half, given from top to bottom."""
    return [*points, *((-x, y) for x, y in reversed(points) if x > 0)]


@cache
def _spline_weights(count: int, closed: bool) -> npt.NDArray[np.float64]:
    """Weights [samples, count] that turn control points into a Catmull-Rom curve through them."""
    segments = count if closed else count - 1
    # They depend on the count only, and every shape of an image needs them: hence the cache.
    weights = np.zeros((segments * _SAMPLES + (0 if closed else 1), count))
    for row in range(len(weights)):
        segment = min(row // _SAMPLES, segments - 1)
        t = row / _SAMPLES - segment
        factors = (
            (-t + 2 * t * t - t**3) / 2,
            (2 - 5 * t * t + 3 * t**3) / 2,
            (t + 4 * t * t - 3 * t**3) / 2,
            (t**3 - t * t) / 2,
        )
        for step, factor in enumerate(factors, start=-1):
            at = segment + step
            at = at % count if closed else min(max(at, 0), count - 1)
            weights[row, at] += factor
    return weights


def smooth(points: Points, closed: bool) -> npt.NDArray[np.float64]:
    """A curve [samples, 2] through the control points [count, 2]."""
    control = np.asarray(points, dtype=np.float64)
    # einsum, not @: the sum's order, and so the last bit, must not depend on the machine's BLAS.
    curve: npt.NDArray[np.float64] = np.einsum(
        "sc,cd->sd", _spline_weights(len(control), closed), control
    )
    return curve


_CIRCLE = np.array([(math.cos(a), math.sin(a)) for a in np.linspace(0, math.tau, 49)[:-1]])


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture and the map from face units to its pixels.

    image: RGB, drawn upon. matrix: float64 [2, 3], pixels = matrix[:, :2] @ point + matrix[:, 2].
    """

    image: Image.Image
    matrix: npt.NDArray[np.float64]

    def moved(
        self, dx: float = 0.0, dy: float = 0.0, *, scale: tuple[float, float] = (1.0, 1.0)
    ) -> "Canvas":
        """The same picture, its drawings scaled and then moved by (dx, dy) face units."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, 0] * dx + matrix[:, 1] * dy
        matrix[:, 0] *= scale[0]
        matrix[:, 1] *= scale[1]
        return Canvas(self.image, matrix)

    def polygon(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Fill the outline; alpha: opacity, 0 to 1."""
        p = np.asarray(points, dtype=np.float64)
        m = self.matrix
        pixels = np.empty_like(p)
        pixels[:, 0] = p[:, 0] * m[0, 0] + p[:, 1] * m[0, 1] + m[0, 2]
        pixels[:, 1] = p[:, 0] * m[1, 0] + p[:, 1] * m[1, 1] + m[1, 2]
        # Whole pixels: cheaper, and the picture is reduced in size afterwards.
        corners = np.rint(pixels).astype(np.int64).ravel().tolist()
        if alpha >= 1:
            ImageDraw.Draw(self.image).polygon(corners, fill=colour)
        else:
            # Pillow blends only in a drawing of mode RGBA.
            fill = (*colour, round(255 * alpha))
            ImageDraw.Draw(self.image, "RGBA").polygon(corners, fill=fill)

    def blob(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Fill the smooth closed curve through the points."""
        self.polygon(smooth(points, closed=True), colour, alpha)

    def ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour,
        alpha: float = 1.0,
    ) -> None:
        """Fill an ellipse; radii: half its width and half its height."""
        self.polygon(_CIRCLE * radii + centre, colour, alpha)

    def stroke(
        self,
        points: Points,
        width: float,
        colour: Colour,
        alpha: float = 1.0,
        *,
        pointed: bool = True,
    ) -> None:
        """Draw a smooth open line `width` thick, with pointed or square ends."""
        curve = smooth(points, closed=False)
        along = np.gradient(curve, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        # Two equal points have no direction; 1e-9 avoids 0 / 0.
        across /= np.maximum(np.sqrt((across**2).sum(axis=1, keepdims=True)), 1e-9)
        half = np.full((len(curve), 1), width / 2)
        if pointed:
            half *= np.sin(np.linspace(0.12, math.pi - 0.12, len(curve)))[:, None]
        outline = np.concatenate([curve + across * half, (curve - across * half)[::-1]])
        self.polygon(outline, colour, alpha)
