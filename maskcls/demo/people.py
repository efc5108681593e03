"""Invented people: the looks of each, by a seed and a number.

None is modelled on a real person. Looks follow gender and age as a tendency, with intended exceptions
(long-haired men, dyed hair, young faces with grey strands), so that the labels can be learned, but not
from a single feature.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from maskcls.core.mask import AGE_BORDERS, GENDERS
from maskcls.demo.canvas import Colour, mix, saturate, shade

RACE = "Drawn"
_T = TypeVar("_T")
_ROUND = 8
_ROUNDS = 5
_GROUPS = tuple((gender, group) for gender in GENDERS for group in range(3))
# With the six of each round: men 7, 6, 5 and women 8, 9, 5 of 40; the competition's order of
# sizes, but 60+ at 1/8 each, or a small set could not be split into folds.
_EXTRAS = (
    *[("male", 0)] * 2,
    *[("male", 1)] * 1,
    *[("female", 0)] * 3,
    *[("female", 1)] * 4,
)

_SKIN: tuple[Colour, ...] = (
    (250, 216, 184),
    (244, 200, 160),
    (234, 184, 140),
    (222, 168, 124),
    (190, 132, 92),
    (150, 98, 66),
)
_HAIR: tuple[Colour, ...] = (
    (34, 28, 34),
    (58, 38, 30),
    (92, 56, 34),
    (128, 78, 40),
    (178, 124, 62),
)
_DYED: tuple[Colour, ...] = ((204, 84, 52), (214, 120, 160), (92, 104, 190), (226, 180, 90))
_GREY: tuple[Colour, ...] = ((236, 236, 238), (208, 208, 214), (176, 178, 186))
_VIVID: tuple[Colour, ...] = (
    (232, 82, 74),
    (250, 176, 54),
    (74, 170, 112),
    (62, 132, 214),
    (146, 96, 206),
    (240, 122, 168),
    (40, 178, 188),
)
_SOBER: tuple[Colour, ...] = (
    (58, 74, 106),
    (96, 104, 120),
    (122, 84, 74),
    (70, 102, 92),
    (52, 54, 62),
)
_MUTED: tuple[Colour, ...] = ((152, 136, 114), (136, 148, 140), (154, 124, 132), (122, 130, 150))
_WALLS: tuple[Colour, ...] = (
    (222, 232, 240),
    (240, 226, 206),
    (214, 232, 214),
    (236, 216, 220),
    (206, 212, 226),
    (196, 220, 222),
    (232, 228, 222),
)

_STYLES: dict[tuple[str, int], dict[str, float]] = {
    ("male", 0): {"bangs": 4, "spiky": 3, "parted": 2, "curly": 2, "crop": 2, "straight": 1},
    ("male", 1): {"parted": 5, "crop": 4, "receding": 3, "curly": 1, "straight": 0.7},
    ("male", 2): {"bald": 5, "receding": 5, "parted": 3, "crop": 2, "straight": 0.5},
    ("female", 0): {"straight": 4, "fringe": 4, "wavy": 3, "ponytail": 3, "bun": 1, "crop": 0.5},
    ("female", 1): {"bob": 5, "wavy": 4, "ponytail": 2, "straight": 2, "pixie": 2, "bun": 2},
    ("female", 2): {"perm": 6, "pixie": 3, "bun": 3, "bob": 3},
}
_CLOTHES: dict[tuple[str, int], dict[str, float]] = {
    ("male", 0): {"hoodie": 4, "tee": 4, "shirt": 2},
    ("male", 1): {"suit": 4, "shirt": 4, "tee": 2},
    ("male", 2): {"cardigan": 4, "shirt": 3, "suit": 2},
    ("female", 0): {"scoop": 4, "hoodie": 3, "tee": 2},
    ("female", 1): {"vneck": 4, "suit": 2, "scoop": 3},
    ("female", 2): {"cardigan": 5, "turtleneck": 4, "vneck": 2},
}
_BACKDROPS = ("plain", "window", "shelves", "curtain", "lights", "panel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An invented person; seed and index determine the rest.

    Shares run from 0 (none) to 1 (much). Widths are in face units, see canvas.py.
    """

    seed: int
    index: int
    id: str
    gender: str
    age: int
    """Years, 18 to 70."""
    skin: Colour
    hair: Colour
    """The visible colour, with grey mixed in."""
    hair_style: str
    grey_temples: float
    wrinkles: float
    fullness: float
    """How round the cheeks and the chin are."""
    face_width: float
    jaw: float
    neck: float
    shoulders: float
    brows: float
    """How heavy the brows are."""
    lashes: float
    eyes: Colour
    lips: Colour
    lip_height: float
    beard: str
    """none, stubble, moustache or full."""
    glasses: str
    """none, round, square or thin."""
    glasses_colour: Colour
    earrings: bool
    clothes: str
    clothes_colour: Colour
    second_colour: Colour
    backdrop: str
    wall: Colour
    accent: Colour

    @property
    def age_group(self) -> int:
        """0, 1 or 2, by the official borders."""
        return sum(self.age >= border for border in AGE_BORDERS)

    @property
    def folder(self) -> str:
        """Name of the person's folder of images, and the `path` of their row in train.csv."""
        return f"{self.id}_{self.gender}_{RACE}_{self.age}"


def draw_person(seed: int, index: int) -> Person:
    """Invent person number `index` (from 0); equal numbers, 0 or above, give an equal person."""
    # The order of the draws below is part of every demo: a new one belongs at the end.
    rng = np.random.default_rng([seed, index, 1])
    gender, group = _group_of(seed, index)
    man = gender == "male"
    age = _draw_age(rng, group)
    # People look a few years older or younger than they are, so that ages near a border overlap.
    looks = float(np.clip(age + rng.normal(0, 2), 18, 75))
    lively = float(np.interp(looks, (27, 38, 54, 64), (1.2, 0.92, 0.88, 0.68)))

    own_hair = _HAIR[int(rng.integers(len(_HAIR)))]
    grey = float(np.interp(looks, (32, 44, 56, 62), (0, 0.25, 0.4, 0.95)))
    dyed = rng.random() < (0.2, 0.2, 0.08 if man else 0.15)[group]
    if dyed:
        grey *= 0.25
        own_hair = _pick(rng, _DYED) if group == 0 else _pick(rng, _HAIR)
    hair = mix(saturate(own_hair, 1.25 * lively), _pick(rng, _GREY), grey)

    skin = saturate(shade(_pick(rng, _SKIN), rng.uniform(0.96, 1.03)), (1 + lively) / 2)
    clothes_colours = (_VIVID, _SOBER, _MUTED)[
        int(np.clip(group + rng.choice((-1, 0, 1), p=(0.08, 0.84, 0.08)), 0, 2))
    ]
    return Person(
        seed=seed,
        index=index,
        id=f"{index + 1:06d}",
        gender=gender,
        age=age,
        skin=skin,
        hair=hair,
        hair_style=_weighted(rng, _STYLES[gender, group]),
        grey_temples=0.0 if dyed else float(np.interp(looks, (32, 46), (0, 1))),
        wrinkles=float(np.interp(looks, (28, 35, 54, 62), (0, 0.45, 0.6, 1))),
        fullness=float(np.interp(looks, (22, 45, 68), (0.1, 0.8, 0.55)) * rng.uniform(0.6, 1.3)),
        face_width=float(rng.normal(1.02 if man else 0.97, 0.03)),
        jaw=float(np.clip(rng.normal(0.75 if man else 0.25, 0.18), 0, 1)),
        neck=float(rng.normal(0.60 if man else 0.42, 0.04)),
        shoulders=float(rng.normal(2.05 if man else 1.6, 0.1)),
        brows=float(np.clip(rng.normal(0.8 if man else 0.25, 0.15), 0, 1)),
        lashes=float(np.clip(rng.normal(0.05 if man else 0.8, 0.15), 0, 1)),
        eyes=_pick(rng, ((56, 36, 28), (84, 54, 34), (60, 88, 70), (64, 96, 136))),
        lips=_lips(rng, man, group, skin),
        lip_height=float(rng.uniform(0.06, 0.08) if man else rng.uniform(0.09, 0.13)),
        beard=_weighted(rng, {"none": 5, "stubble": 3, "moustache": 1, "full": 1.5})
        if man
        else "none",
        glasses=_weighted(
            rng, {"none": (4, 2.4, 0.8)[group], "round": 0.5, "square": 0.5, "thin": 0.5}
        ),
        glasses_colour=_pick(rng, ((30, 30, 36), (96, 52, 40), (150, 116, 56), (70, 74, 90))),
        earrings=bool(rng.random() < (0.05 if man else 0.5)),
        clothes=_weighted(rng, _CLOTHES[gender, group]),
        clothes_colour=_pick(rng, clothes_colours),
        second_colour=_pick(rng, ((250, 250, 250), (226, 232, 240), (250, 240, 224), (48, 52, 66))),
        backdrop=_pick(rng, _BACKDROPS),
        wall=shade(_pick(rng, _WALLS), rng.uniform(0.82, 1.05)),
        accent=_pick(rng, _VIVID + _SOBER + _MUTED),
    )


def cast(num_people: int, seed: int, first: int = 0) -> list[Person]:
    """People number first, first + 1, ... in order.

    first: a multiple of 8 begins a new round: then six people hold all six gender x age groups,
    and every group has at least num_people // 8 of them.
    """
    return [draw_person(seed, index) for index in range(first, first + num_people)]


def _group_of(seed: int, index: int) -> tuple[str, int]:
    """Gender and age group: every round of eight has all six, then two of the frequent ones."""
    # A fixed number of each in a block of 40, since a small demo with chance numbers might lack a class.
    block, within = divmod(index, _ROUND * _ROUNDS)
    number, place = divmod(within, _ROUND)
    if place >= len(_GROUPS):
        order = np.random.default_rng([seed, block, 2]).permutation(len(_EXTRAS))
        return _EXTRAS[order[number * 2 + place - len(_GROUPS)]]
    order = np.random.default_rng([seed, block, 3 + number]).permutation(len(_GROUPS))
    return _GROUPS[order[place]]


def _draw_age(rng: np.random.Generator, group: int) -> int:
    """An age in years; most frequent around 20 and 50, as in the competition."""
    if group == 0:
        return int(min(18 + rng.exponential(3.5), AGE_BORDERS[0] - 1))
    if group == 1:
        return int(np.clip(rng.normal(47, 7), AGE_BORDERS[0], AGE_BORDERS[1] - 1))
    return int(rng.integers(AGE_BORDERS[1], 71))


def _lips(rng: np.random.Generator, man: bool, group: int, skin: Colour) -> Colour:
    """Nearly the skin's own colour for men; painted for most women, less so with age."""
    own = mix(skin, (176, 84, 82), 0.35)
    if man:
        return own
    painted = _pick(rng, ((206, 52, 70), (220, 92, 110), (178, 54, 84), (208, 108, 96)))
    return mix(own, painted, (0.95, 0.8, 0.6)[group])


def _pick(rng: np.random.Generator, choices: tuple[_T, ...]) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    shares = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]
