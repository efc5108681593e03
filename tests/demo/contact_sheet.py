"""A contact sheet: some people side by side, with the names of their classes."""

import csv
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASK_OF_SHOT, class_of
from maskcls.demo.drawing import draw_image
from maskcls.demo.people import Person
from tests.tasks import MASK

SHEET_SHOTS = ("mask1", "incorrect_mask", "normal")
_GAP_PX = 8
_PAPER = (255, 255, 255)
_INK = (40, 40, 46)


def one_per_group(people: Sequence[Person]) -> list[Person]:
    """The first person of every gender x age group there is, in the order of the classes."""
    first: dict[int, Person] = {}
    for person in people:
        first.setdefault(_group(person.gender, person.age), person)
    return [first[group] for group in sorted(first)]


def contact_sheet(
    source: Path | Sequence[Person],
    columns: int = 6,
    shots: Sequence[str] = SHEET_SHOTS,
    image_height: int = 256,
    image_width: int = 192,
) -> Image.Image:
    """People side by side, `columns` at most, one row of shown per shot, captions below.

    source: a data folder in the competition's layout, from which the first person of every group
    is taken, or the people to draw. Sizes in pixels. Returns an RGB picture.
    Raises UserError when there is no person to show, or a folder lacks train.csv or an image.
    """
    if isinstance(source, Path):
        shown = _read_images(source, columns, shots)
    else:
        shown = [
            (_group(person.gender, person.age), [draw_image(person, shot) for shot in shots])
            for person in source[:columns]
        ]
    if not shown:
        raise UserError("contact sheet: there is no person to show; give at least one person")
    font_px = max(9, image_width // 14)
    font = ImageFont.load_default(font_px)
    cell_height, cell_width = image_height + 2 * font_px + _GAP_PX, image_width + _GAP_PX
    size = (cell_width * len(shown) + _GAP_PX, cell_height * len(shots) + _GAP_PX)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, (group, cells) in enumerate(shown):
        for row, (shot, image) in enumerate(zip(shots, cells, strict=True)):
            left, top = _GAP_PX + column * cell_width, _GAP_PX + row * cell_height
            small = image.resize((image_width, image_height), Image.Resampling.LANCZOS)
            sheet.paste(small, (left, top))
            label = class_of(MASK_OF_SHOT[shot], *divmod(group, 3))
            below = (left + image_width / 2, top + image_height + font_px * 0.9)
            caption = f"{label}: {MASK.classes[label]}"
            pen.text(below, caption, fill=_INK, font=font, anchor="mm")
    return sheet


def _group(gender: str, age: int) -> int:
    """0 to 5: a class without its mask."""
    return class_of(0, GENDERS.index(gender), MASK.part("age").code_of(age))


def _read_images(
    folder: Path, columns: int, shots: Sequence[str]
) -> list[tuple[int, list[Image.Image]]]:
    table = folder / "train" / "train.csv"
    if not table.is_file():
        raise UserError(f"{folder}: has no train/train.csv; name a folder in the data's layout")
    first: dict[int, str] = {}
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            first.setdefault(_group(row["gender"], int(row["age"])), row["path"])
    chosen = sorted(first.items())[:columns]
    cells = folder / "train" / "images"
    return [(group, [_open_image(cells / path, shot) for shot in shots]) for group, path in chosen]


def _open_image(folder: Path, shot: str) -> Image.Image:
    for path in sorted(folder.glob(f"{shot}.*")):
        with Image.open(path) as image:
            return image.convert("RGB")
    raise UserError(f"{folder}: has no image named {shot}; a person's folder needs all seven shots")
