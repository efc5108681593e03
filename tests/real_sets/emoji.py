"""Colour emoji of people and hands (Noto, SIL OFL 1.1), whose variants are one group.

The class is Unicode's subgroup, such as "person-role"; the group is the sign without skin tone and
gender. Nearly the same picture occurs up to 18 times (three genders, six tones), families and couples
more often: folds over images show a network each held-out sign in another tone.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PACKAGES = ("fonts-noto-color-emoji", "unicode-data")
GROUP = "People & Body"
"""Only here do signs have variants, and it is half of all emoji."""
MIN_GROUPS, MIN_IMAGES = 5, 30
"""Of a subgroup that is a class: each of five folds can hold out a group. 13 of 16 have them."""
_FONT = "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
_TEST = "usr/share/unicode/emoji/emoji-test.txt"
_SIZE = 109
"""The one size of the font's bitmaps, which are 136x128 pixels."""
_SHAPE = (136, 128)
_DROPPED = {0xFE0F, 0x2640, 0x2642, *range(0x1F3FB, 0x1F400)}
"""Variation selector, female and male sign, skin tones."""
_JOINER = 0x200D
_PERSON, _CHILD, _OLD, _HANDS = 0x1F9D1, 0x1F9D2, 0x1F9D3, 0x1F91D
_NEUTRAL = {
    0x1F468: _PERSON, 0x1F469: _PERSON, 0x1F466: _CHILD, 0x1F467: _CHILD, 0x1F474: _OLD,
    0x1F475: _OLD, 0x1F934: 0x1FAC5, 0x1F478: 0x1FAC5, 0x1F936: 0x1F385, 0x1F57A: 0x1F483,
    0x1F930: 0x1FAC4, 0x1FAC3: 0x1FAC4,
}  # fmt: skip
"""Man and woman to person, boy and girl to child, prince and princess to person with crown, ..."""
_HEART, _KISS = 0x2764, 0x1F48B
_SAME = {
    (_PERSON, _HANDS, _PERSON): (0x1F46B,),
    (0x1F46C,): (0x1F46B,),
    (0x1F46D,): (0x1F46B,),
    (_PERSON, _HEART, _PERSON): (0x1F491,),
    (_PERSON, _HEART, _KISS, _PERSON): (0x1F48F,),
    (0x1FAF1, 0x1FAF2): (_HANDS,),
    (_PERSON, 0x1F384): (0x1F385,),
}
"""Signs that are one character in one tone and a sequence in two; and Santa as a person."""


@dataclass(frozen=True)
class Sign:
    """A line of emoji-test.txt: group, subgroup, code points, and Unicode's name of it."""

    group: str
    subgroup: str
    points: tuple[int, ...]
    name: str


def parse(lines: Iterable[str]) -> list[Sign]:
    """The fully qualified signs of emoji-test.txt; others are the same pictures written otherwise."""
    group = subgroup = ""
    signs = []
    for line in lines:
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip()
        elif line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        elif line.strip() and not line.startswith("#"):
            points, _, rest = line.partition(";")
            status, _, comment = rest.partition("#")
            if status.strip() == "fully-qualified":
                codes = tuple(int(point, 16) for point in points.split())
                # "😀 E1.0 grinning face"
                signs.append(Sign(group, subgroup, codes, comment.split(maxsplit=2)[2].strip()))
    return signs


def base_sign(points: Iterable[int]) -> tuple[int, ...]:
    """A sign without skin tones and gender; joiners are left out, too."""
    kept = (point for point in points if point not in _DROPPED and point != _JOINER)
    neutral = tuple(_NEUTRAL.get(point, point) for point in kept)
    return _SAME.get(neutral, neutral)


def chosen(signs: Iterable[Sign]) -> list[Sign]:
    """The signs of people and hands, of subgroups with enough groups and images."""
    people = [sign for sign in signs if sign.group == GROUP]
    pairs = {(sign.subgroup, base_sign(sign.points)) for sign in people}
    groups = Counter(subgroup for subgroup, _ in pairs)
    images = Counter(sign.subgroup for sign in people)
    return [
        sign
        for sign in people
        if groups[sign.subgroup] >= MIN_GROUPS and images[sign.subgroup] >= MIN_IMAGES
    ]


def write(source: Path, out: Path) -> None:
    """Write train.csv (image, label, group) and images/; source: unpacked packages.

    Raises ValueError for a sign that the font does not have as one picture.
    """
    font = ImageFont.truetype(str(source / _FONT), _SIZE)
    with (source / _TEST).open(encoding="utf-8") as lines:
        signs = chosen(parse(lines))
    (out / "images").mkdir(parents=True)
    with (out / "train.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "label", "group"])
        for sign in signs:
            name = f"{_hex(sign.points)}.png"
            _draw(sign, font).save(out / "images" / name)
            table.writerow([name, sign.subgroup, _hex(base_sign(sign.points))])


def _draw(sign: Sign, font: ImageFont.FreeTypeFont) -> Image.Image:
    """The sign on a transparent ground, RGBA 136x128."""
    text = "".join(map(chr, sign.points))
    left, top, right, _ = font.getbbox(text)
    if right - left > _SHAPE[0]:  # pieces side by side: font or Pillow cannot join them
        raise ValueError(f"{sign.name}: drawn in pieces: Pillow lacks Raqm, or the font is older")
    image = Image.new("RGBA", _SHAPE)
    ImageDraw.Draw(image).text((-left, -top), text, font=font, embedded_color=True)
    return image


def _hex(points: Iterable[int]) -> str:
    return "-".join(f"{point:x}" for point in points)
