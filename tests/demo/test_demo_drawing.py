import numpy as np
import pytest
from contact_sheet import contact_sheet, one_per_group
from PIL import Image

from maskcls.core.errors import UserError
from maskcls.core.mask import SHOTS
from maskcls.demo.canvas import Canvas, mix, saturate, shade, smooth
from maskcls.demo.drawing import draw_image
from maskcls.demo.masks import KINDS, Mask, draw_mask, paint_mask
from maskcls.demo.people import Person, cast


def _pixels(person: Person, shot: str) -> np.ndarray:
    return np.asarray(draw_image(person, shot), dtype=np.float64)


def test_images_have_the_size_asked_for() -> None:
    person = cast(1, 0)[0]
    for shot in SHOTS:
        image = draw_image(person, shot)
        assert (image.mode, image.size) == ("RGB", (384, 512))
    assert draw_image(person, "mask1", height=64, width=48).size == (48, 64)


def test_the_same_shot_is_the_same_picture_and_shots_differ() -> None:
    person = cast(3, 5)[2]
    shots = [draw_image(person, shot).tobytes() for shot in SHOTS]
    assert shots[0] == draw_image(person, SHOTS[0]).tobytes()
    assert len(set(shots)) == len(SHOTS)


def test_every_style_can_be_drawn() -> None:
    people = cast(240, 1)
    firsts = {p.hair_style: p for p in people} | {p.clothes: p for p in people}
    firsts |= {p.backdrop: p for p in people} | {p.glasses + p.beard: p for p in people}
    assert len(firsts) > 30
    for person in firsts.values():
        assert np.asarray(draw_image(person, "normal", height=64, width=48)).std() > 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("place", "covered"),
    [("worn", {"nose", "mouth", "chin"}), ("nose out", {"mouth", "chin"}), ("chin", {"chin"})],
)
def test_masks_cover_what_their_place_says(kind: str, place: str, covered: set[str]) -> None:
    spots = {"eyes": -0.14, "nose": 0.38, "mouth": 0.8, "chin": 1.25}
    for slip in (-0.03, 0.06):
        image = Image.new("RGB", (300, 400), (255, 0, 0))
        canvas = Canvas(image, np.array([[100.0, 0.0, 150.0], [0.0, 100.0, 180.0]]))
        paint_mask(canvas, Mask(kind, (40, 40, 200), place, slip))
        found = {
            spot for spot, y in spots.items() if image.getpixel((150, 180 + round(100 * y)))
            != (255, 0, 0)
        }  # fmt: skip
        assert found == covered


def test_a_mask_changes_the_mouth() -> None:
    for person in one_per_group(cast(40, 0)):
        changed = np.abs(_pixels(person, "normal") - _pixels(person, "mask1"))
        assert changed[300:375, 145:240].mean() > 25


def test_a_persons_masks_have_different_colours() -> None:
    assert len({draw_mask(0, 4, number, "worn").colour for number in range(6)}) == 6


def test_the_three_mask_states_differ_where_nose_and_mouth_are() -> None:
    for person in one_per_group(cast(40, 2)):
        worn, wrong, bare = (
            _pixels(person, shot)[240:375, 145:240]
            for shot in ("mask2", "incorrect_mask", "normal")
        )
        for one, other in ((worn, wrong), (worn, bare), (wrong, bare)):
            assert np.abs(one - other).mean() > 12


def test_the_sheet_shows_one_of_each_group() -> None:
    people = one_per_group(cast(40, 0))
    assert [(p.gender, p.age_group) for p in people] == [
        (gender, group) for gender in ("male", "female") for group in range(3)
    ]
    sheet = contact_sheet(people, image_height=64, image_width=48)
    assert sheet.mode == "RGB"
    assert sheet.width > 6 * 48
    assert sheet.height > 3 * 64
    assert contact_sheet(people, columns=2, image_height=64, image_width=48).width < sheet.width


def test_the_sheet_needs_a_person() -> None:
    with pytest.raises(UserError, match="no person to show"):
        contact_sheet([])


def test_curves_pass_through_their_points() -> None:
    points = np.array([(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (2.0, -1.0)])
    for closed in (True, False):
        curve = smooth(points, closed)
        for point in points:
            assert np.abs(curve - point).sum(axis=1).min() < 1e-9


def test_colours_are_mixed_within_bounds() -> None:
    assert mix((0, 0, 0), (200, 100, 50), 0.5) == (100, 50, 25)
    assert shade((100, 100, 100), 0.5) == (50, 50, 50)
    assert shade((100, 100, 100), 2) == (255, 255, 255)
    assert saturate((255, 0, 0), 3)[0] == 255
    assert len(set(saturate((255, 0, 0), 0))) == 1
