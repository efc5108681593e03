"""Images of drawn people: seven shots of each, as in the competition.

Layers from back to front: backdrop, hair behind, body, ears, face, eyes and mouth, mask, hair,
glasses. Age is also visible above the mask: hair, forehead, eyes.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from maskcls.core.mask import MASK_OF_SHOT, SHOTS
from maskcls.demo.canvas import Canvas, Colour, mirrored, mix, shade, symmetric
from maskcls.demo.hair import LONG, draw_hair, draw_hair_behind
from maskcls.demo.masks import Mask, draw_mask, paint_mask
from maskcls.demo.people import Person

HEIGHT: Final = 512
WIDTH: Final = 384
_OVERSAMPLE: Final = 2
"""Drawn at twice the size and reduced, for smooth edges."""
_UNIT: Final = 102.0
"""Pixels of a face unit in a 512 x 384 picture."""
_INK: Final[Colour] = (44, 34, 36)


@dataclass(frozen=True, slots=True)
class _Pose:
    """The differences between a person's shots; lengths in face units, roll in radians."""

    dx: float
    dy: float
    scale: float
    roll: float
    yaw: float
    light: tuple[float, float, float]
    """Factor on red, green, blue."""
    smile: float


def draw_image(person: Person, shot: str, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Draw one shot of a person; shot: one of maskcls.core.mask.SHOTS.

    Returns an RGB picture of height x width pixels; the same arguments give the same pixels.
    """
    number = SHOTS.index(shot)
    # By person and shot: a shot's pixels do not depend on which others were drawn before.
    rng = np.random.default_rng([person.seed, person.index, 10, number])
    pose = _draw_pose(rng)
    mask = _draw_mask_of(person, shot, number, rng)

    image = Image.new("RGB", (width * _OVERSAMPLE, height * _OVERSAMPLE), person.wall)
    unit = _UNIT * _OVERSAMPLE * min(height / HEIGHT, width / WIDTH)
    room = _canvas(image, unit, 0.0)
    stage = _canvas(image, unit * pose.scale, 0.0).moved(pose.dx, pose.dy)
    head = _canvas(image, unit * pose.scale, pose.roll).moved(pose.dx, pose.dy)
    head = head.moved(scale=(person.face_width, 1.0))
    # When a head turns, its features move further than its outline.
    features = head.moved(pose.yaw)

    _draw_backdrop(room.moved(pose.dx * 0.3, pose.dy * 0.3), person)
    draw_hair_behind(head, person)
    _draw_body(stage, person)
    _draw_ears(head, person)
    _draw_face(head, person)
    _draw_age(features, person)
    _draw_eyes(features, person)
    _draw_nose(features, person)
    _draw_mouth(features, person, pose.smile)
    if mask is not None:
        paint_mask(features.moved(-pose.yaw * 0.4), mask)
    draw_hair(head.moved(pose.yaw * 0.25), person)
    _draw_glasses(features, person)
    return _light(image.reduce(_OVERSAMPLE), pose.light)


def _draw_pose(rng: np.random.Generator) -> _Pose:
    brightness = rng.uniform(0.86, 1.06)
    warmth = rng.normal(0, 0.02)
    return _Pose(
        dx=float(rng.normal(0, 0.08)),
        dy=float(rng.normal(0, 0.08)),
        scale=float(rng.uniform(0.92, 1.06)),
        roll=float(rng.normal(0, 0.05)),
        yaw=float(np.clip(rng.normal(0, 0.06), -0.13, 0.13)),
        light=(brightness * (1 + warmth), brightness, brightness * (1 - warmth)),
        smile=float(rng.uniform(-0.2, 1.0)),
    )


def _draw_mask_of(person: Person, shot: str, number: int, rng: np.random.Generator) -> Mask | None:
    state = MASK_OF_SHOT[shot]
    if state == 2:
        return None
    place = "worn" if state == 0 else ("nose out" if rng.random() < 0.6 else "chin")
    return draw_mask(person.seed, person.index, number, place)


def _canvas(image: Image.Image, unit: float, roll: float) -> Canvas:
    """A canvas in face units, the middle of the face slightly above that of the picture."""
    cos, sin = unit * math.cos(roll), unit * math.sin(roll)
    middle = (image.width / 2, image.height * 0.48)
    return Canvas(image, np.array([[cos, -sin, middle[0]], [sin, cos, middle[1]]]))


def _light(image: Image.Image, light: tuple[float, float, float]) -> Image.Image:
    # A table of 256 values per channel: much faster than arithmetic on every pixel.
    table = [min(255, round(value * factor)) for factor in light for value in range(256)]
    return image.point(table)


def _draw_backdrop(room: Canvas, person: Person) -> None:
    # By person alone: all shots of a person have the same backdrop.
    rng = np.random.default_rng([person.seed, person.index, 11])
    wall, accent = person.wall, mix(person.wall, person.accent, 0.45)

    def box(left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        room.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    if person.backdrop == "plain":
        room.ellipse((0, -0.2), (2.6, 2.6), shade(wall, 1.25))
    elif person.backdrop == "window":
        left = float(rng.uniform(-2.2, 0.2))
        box(left - 0.1, -2.4, left + 1.9, 1.2, shade(wall, 1.5))
        box(left, -2.3, left + 1.8, 1.1, (186, 220, 244))
        room.ellipse((left + 0.6, 0.9), (0.8, 0.5), (150, 200, 150))
        box(left + 0.86, -2.3, left + 0.94, 1.1, shade(wall, 1.5))
    elif person.backdrop == "shelves":
        box(-4, -4, 4, 4, mix(wall, (150, 112, 78), 0.35))
        for top in (-2.3, -1.1, 0.1, 1.3):
            x = -2.6
            while x < 2.6:
                width, tall = rng.uniform(0.1, 0.28), rng.uniform(0.5, 0.95)
                book = mix(wall, _BOOKS[int(rng.integers(len(_BOOKS)))], 0.55)
                box(x, top + 1.05 - tall, x + width, top + 1.05, book)
                x += width + 0.03
            box(-4, top + 1.05, 4, top + 1.14, mix(wall, (110, 78, 52), 0.6))
    elif person.backdrop == "curtain":
        for x in np.arange(-3.0, 3.0, 0.5):
            box(float(x), -4, float(x) + 0.26, 4, accent)
    elif person.backdrop == "lights":
        box(-4, -4, 4, 4, shade(accent, 0.7))
        for _ in range(14):
            radius = rng.uniform(0.12, 0.42)
            centre = (float(rng.uniform(-2.1, 2.1)), float(rng.uniform(-2.6, 2)))
            room.ellipse(centre, (radius, radius), shade(wall, 1.3), 0.35)
    else:
        box(-4, float(rng.uniform(-0.4, 0.8)), 4, 4, accent)


_BOOKS: Final[tuple[Colour, ...]] = (
    (198, 86, 76),
    (72, 122, 168),
    (224, 182, 92),
    (94, 150, 110),
    (236, 232, 220),
    (112, 88, 140),
)


def _draw_body(stage: Canvas, person: Person) -> None:
    wide, neck, colour = person.shoulders, person.neck, person.clothes_colour
    fold = shade(colour, 0.8)
    dark_skin = shade(person.skin, 0.86)
    torso = [(neck + 0.06, 1.62), (wide * 0.6, 1.84), (wide * 0.93, 2.1), (wide, 2.7), (wide, 4.2)]
    stage.blob(symmetric([(0, 1.62), *torso, (0, 4.4)]), colour)
    neck_outline = [(-neck, 0.6), (neck, 0.6), (neck + 0.02, 1.6), (neck + 0.12, 1.8)]
    depth = {"scoop": 2.3, "vneck": 2.55, "suit": 2.6, "shirt": 2.1, "cardigan": 2.1}
    tip = depth.get(person.clothes, 1.92)
    collar = [*neck_outline, (0, tip), (-neck - 0.12, 1.8), (-neck - 0.02, 1.6)]
    if person.clothes == "scoop":
        collar = [*neck_outline, (0.36, tip - 0.12), (-0.36, tip - 0.12), (-neck - 0.12, 1.8),
                  (-neck - 0.02, 1.6)]  # fmt: skip
    stage.polygon(collar, person.skin)
    shadow = [(-neck, 0.9), (neck, 0.9), (neck, 1.44), (0, 1.66), (-neck, 1.44)]
    stage.polygon(shadow, dark_skin)
    for y in (1.5, 1.64):
        if person.wrinkles > 0.7:
            line = [(-neck * 0.7, y - 0.04), (0, y + 0.03), (neck * 0.7, y - 0.04)]
            stage.stroke(line, 0.035, shade(person.skin, 0.66), 0.8)
    _draw_clothes(stage, person, fold)


def _draw_clothes(stage: Canvas, person: Person, fold: Colour) -> None:
    neck, colour, second = person.neck, person.clothes_colour, person.second_colour
    kind = person.clothes
    if kind == "turtleneck":
        stage.blob(
            [(-neck - 0.08, 1.3), (0, 1.42), (neck + 0.08, 1.3), (neck + 0.12, 1.84),
             (0, 1.98), (-neck - 0.12, 1.84)], fold,
        )  # fmt: skip
    elif kind in ("tee", "scoop", "vneck"):
        rim = {"tee": 1.94, "scoop": 2.26, "vneck": 2.58}[kind]
        bend = 0.0 if kind == "vneck" else 0.4
        line = [(-neck - 0.14, 1.76), (-bend, rim - 0.06), (0, rim), (bend, rim - 0.06),
                (neck + 0.14, 1.76)]  # fmt: skip
        if kind == "vneck":
            line = [line[0], (-neck * 0.5, 2.18), (0, rim), (neck * 0.5, 2.18), line[-1]]
        stage.stroke(line, 0.09, fold, pointed=False)
    elif kind == "hoodie":
        hood = [(neck, 1.36), (neck + 0.5, 1.6), (neck + 0.3, 2.0), (0.1, 2.3), (0.05, 2.05)]
        for side in (1, -1):
            stage.blob(mirrored(hood, side), fold)
            cord = mirrored([(0.2, 2.16), (0.24, 2.5), (0.22, 2.8)], side)
            stage.stroke(cord, 0.06, second, pointed=False)
    elif kind in ("shirt", "suit", "cardigan"):
        cloth = colour if kind == "shirt" else second
        front = [(-neck - 0.1, 1.7), (0, 2.14), (neck + 0.1, 1.7), (0.5, 4.2), (-0.5, 4.2)]
        stage.polygon(front, cloth)
        stage.stroke([(0, 2.1), (0, 2.6), (0, 3.4)], 0.03, shade(cloth, 0.75), pointed=False)
        flap = [(neck - 0.06, 1.52), (neck + 0.22, 1.72), (neck + 0.1, 2.2), (0.0, 2.06)]
        for side in (1, -1):
            stage.polygon(mirrored(flap, side), shade(cloth, 1.15 if kind == "shirt" else 0.94))
            if kind != "shirt":
                lapel = [(neck + 0.24, 1.66), (neck + 0.62, 2.3), (0.12, 3.5), (0.3, 2.5)]
                stage.polygon(
                    mirrored(lapel, side), fold if kind == "suit" else shade(colour, 1.12)
                )


def _draw_ears(head: Canvas, person: Person) -> None:
    hidden = person.hair_style in (*LONG, "bob")
    for side in (1, -1):
        head.ellipse((side * 1.01, 0.02), (0.16, 0.27), shade(person.skin, 0.93))
        head.ellipse((side * 1.03, 0.02), (0.08, 0.16), shade(person.skin, 0.8))
        if person.earrings and not hidden:
            head.ellipse((side * 1.05, 0.36), (0.06, 0.08), (240, 204, 92))


def _draw_face(head: Canvas, person: Person) -> None:
    jaw, full = person.jaw, min(person.fullness, 1.0)
    cheek, chin = 0.76 + 0.1 * jaw + 0.08 * full, 0.34 + 0.18 * jaw + 0.08 * full
    outline = [(0, -1.36), (0.55, -1.22), (0.92, -0.78), (1.0, -0.15), (0.96, 0.35),
               (cheek, 0.85), (chin, 1.2 + 0.03 * full), (0, 1.32 + 0.04 * jaw)]  # fmt: skip
    head.blob(symmetric(outline), person.skin)
    # Shadow on the side away from the light.
    right = outline[2:-1]
    head.blob([*right, *((x - 0.2, y - 0.04) for x, y in reversed(right))], (120, 50, 30), 0.1)
    if person.age_group == 0:
        for side in (1, -1):
            head.ellipse((side * 0.6, 0.36), (0.2, 0.13), (240, 110, 110), 0.22)
    if person.beard in ("stubble", "full"):
        beard = [(1.0, 0.1), (0.94, 0.55), (cheek, 0.92), (chin, 1.24), (0, 1.36)]
        above = [(0, 0.62), (0.3, 0.62), (0.62, 0.55), (0.86, 0.3)]
        alpha = 0.2 if person.beard == "stubble" else 0.92
        head.blob(symmetric([*above, *beard]), shade(person.hair, 0.9), alpha)


def _draw_age(features: Canvas, person: Person) -> None:
    """Lines on the forehead, around eyes and mouth, and spots: none without wrinkles."""
    amount = person.wrinkles
    if amount <= 0.05:
        return
    line_colour = mix(shade(person.skin, 0.55), (110, 50, 40), 0.25)
    alpha = 0.2 + 0.65 * amount
    width = 0.03 + 0.025 * amount
    for row in range(round(1 + 2 * amount)):
        y, half = -0.66 - 0.14 * row, 0.5 - 0.06 * row
        line = [(-half, y + 0.03), (-half / 2, y - 0.03), (half / 2, y - 0.03), (half, y + 0.03)]
        features.stroke(line, width, line_colour, alpha * 0.8)
    for side in (1, -1):
        for rise in (-0.1, 0.0, 0.1)[: 1 + round(2 * amount)]:
            foot = [(0.68, -0.13 + rise * 0.4), (0.78, -0.13 + rise), (0.87, -0.11 + rise * 1.6)]
            features.stroke(mirrored(foot, side), width, line_colour, alpha)
        bag = [(0.24, 0.02), (0.42, 0.13), (0.62, 0.04)]
        features.stroke(mirrored(bag, side), width * 1.2, line_colour, alpha)
        fold = [(0.24, 0.4), (0.4, 0.56), (0.44, 0.8)]
        features.stroke(mirrored(fold, side), width * 1.3, line_colour, alpha)
        if amount > 0.75:
            jowl = [(0.5, 0.86), (0.56, 1.0), (0.48, 1.14)]
            features.stroke(mirrored(jowl, side), width, line_colour, alpha * 0.7)
            features.ellipse((side * 0.66, -0.62), (0.06, 0.045), line_colour, 0.3)
            features.ellipse((side * 0.72, 0.2), (0.05, 0.04), line_colour, 0.3)


def _draw_eyes(features: Canvas, person: Person) -> None:
    open_ = 0.135 - 0.05 * person.wrinkles + 0.02 * person.lashes
    brow_colour = shade(person.hair, 0.75) if person.age_group < 2 else shade(person.hair, 0.88)
    for side in (1, -1):
        eye = [(0.2, -0.1), (0.42, -0.14 - open_), (0.64, -0.14), (0.44, -0.14 + open_ * 0.8)]
        features.blob(mirrored(eye, side), (250, 248, 244))
        features.ellipse((side * 0.42, -0.14), (0.095, min(0.11, open_)), person.eyes)
        features.ellipse((side * 0.42, -0.14), (0.045, 0.05), (16, 12, 14))
        features.ellipse((side * 0.42 + 0.035, -0.18), (0.025, 0.025), (255, 255, 255))
        lid = [(0.18, -0.09), (0.42, -0.15 - open_), (0.67, -0.14 + 0.05 * person.wrinkles)]
        features.stroke(mirrored(lid, side), 0.05 + 0.05 * person.lashes, _INK)
        if person.lashes > 0.4:
            for x, y in ((0.5, -0.3), (0.62, -0.26), (0.72, -0.2)):
                lash = [(x - 0.03, y + 0.08), (x, y + 0.04), (x + 0.05, y)]
                features.stroke(mirrored(lash, side), 0.045, _INK)
        brow = [(0.16, -0.36), (0.4, -0.45 + 0.03 * person.brows), (0.7, -0.36)]
        features.stroke(mirrored(brow, side), 0.06 + 0.1 * person.brows, brow_colour)


def _draw_nose(features: Canvas, person: Person) -> None:
    dark = shade(person.skin, 0.76)
    features.blob([(0.03, -0.1), (0.17, 0.32), (0.1, 0.42), (-0.05, 0.42), (0.04, 0.2)], dark, 0.5)
    features.stroke([(-0.16, 0.36), (0, 0.45), (0.16, 0.36)], 0.05, shade(person.skin, 0.62))


def _draw_mouth(features: Canvas, person: Person, smile: float) -> None:
    lift, thick = 0.07 * smile, person.lip_height
    upper = [(-0.3, 0.78 - lift), (-0.1, 0.76 - thick), (0, 0.79 - thick), (0.1, 0.76 - thick),
             (0.3, 0.78 - lift)]  # fmt: skip
    if person.beard in ("moustache", "full"):
        hair = [(-0.4, 0.72), (-0.15, 0.55), (0, 0.57), (0.15, 0.55), (0.4, 0.72), (0, 0.72)]
        features.blob(hair, shade(person.hair, 0.88))
    features.blob([*upper, (0.12, 0.82 + thick), (-0.12, 0.82 + thick)], person.lips)
    closed = [(-0.3, 0.78 - lift), (0, 0.8 + lift * 0.6), (0.3, 0.78 - lift)]
    features.stroke(closed, 0.04, shade(person.lips, 0.5))


def _draw_glasses(features: Canvas, person: Person) -> None:
    if person.glasses == "none":
        return
    thick = 0.035 if person.glasses == "thin" else 0.065
    colour = person.glasses_colour
    for side in (1, -1):
        angles = np.linspace(0, math.tau, 15)
        power = 1.0 if person.glasses == "round" else 0.6
        cos, sin = np.cos(angles), np.sin(angles)
        ring = np.stack(
            [
                0.43 + 0.31 * np.sign(cos) * np.abs(cos) ** power,
                -0.12 + 0.25 * np.sign(sin) * np.abs(sin) ** power,
            ],
            axis=1,
        )
        features.blob(mirrored(ring[:-1], side), (210, 230, 245), 0.18)
        features.stroke(mirrored(ring, side), thick, colour, pointed=False)
        arm = [(0.73, -0.16), (0.88, -0.16), (1.02, -0.12)]
        features.stroke(mirrored(arm, side), thick, colour, pointed=False)
    features.stroke([(-0.13, -0.14), (0, -0.19), (0.13, -0.14)], thick, colour, pointed=False)
