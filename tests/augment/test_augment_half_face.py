"""Half faces: left columns from the image, right ones from the partner, on any format of image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from image_factory import CONTEXT, LAST, column, draws, images

from maskcls.augment.transforms import half_face
from maskcls.core.errors import UserError


@pytest.mark.parametrize(("size", "cut"), [((64, 48), 24), ((30, 100), 50), ((33, 47), 24)])
def test_a_fixed_cut_halves_the_width_and_not_the_height(size: tuple[int, int], cut: int) -> None:
    pixels, partner = images(3, *size), images(3, *size, seed=1)
    made = half_face.build(half_face.Settings(cut_min=0.5, cut_max=0.5), CONTEXT)
    mixed, share = made(pixels, partner, draws(3, half_face.NUM_DRAWS))
    assert torch.equal(mixed[..., :cut], pixels[..., :cut])
    assert torch.equal(mixed[..., cut:], partner[..., cut:])
    assert torch.equal(share, torch.full((3,), cut / size[1]))


@given(width=st.integers(2, 400), draw=st.floats(0, LAST), low=st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=30)
def test_columns_and_share_agree_at_every_cut(width: int, draw: float, low: float) -> None:
    high = min(0.99, low + 0.1)
    ours, theirs = torch.zeros(1, 3, 2, width), torch.ones(1, 3, 2, width)
    made = half_face.build(half_face.Settings(cut_min=low, cut_max=high), CONTEXT)
    mixed, share = made(ours, theirs, torch.tensor([[0.0, draw]], dtype=torch.float64))
    cut = int((mixed[0, 0, 0] == 0).sum())
    assert share.item() == torch.tensor(cut / width).item()
    assert abs(cut - width * (low + (high - low) * draw)) <= 0.5 + 1e-9
    assert mixed[0, :, :, :cut].eq(0).all()


def test_default_cuts_are_uniform_from_46_to_54_percent() -> None:
    # 1,000 columns: cuts from 460 to 540, those at both ends half as often.
    image = torch.zeros(1, 3, 1, 1000).expand(4000, -1, -1, -1)
    _, share = half_face.build(half_face.Settings(), CONTEXT)(image, image, draws(4000, 2))
    assert share.min().item() == pytest.approx(0.46)
    assert share.max().item() == pytest.approx(0.54)
    quarters = share.quantile(torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quarters, torch.tensor([0.48, 0.5, 0.52]), rtol=0, atol=0.003)


def test_who_is_not_drawn_stays_alone() -> None:
    pixels, partner = images(3), images(3, seed=1)
    drawn = torch.cat([column(0.2, 0.3, 0.9), column(0.5, 0.5, 0.5)], dim=1)
    mixed, share = half_face.build(half_face.Settings(prob=0.3), CONTEXT)(pixels, partner, drawn)
    assert torch.equal(mixed[1:], pixels[1:])
    assert share[1:].tolist() == [1, 1]
    assert share[0] < 1


def test_cuts_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"^augment\.half_face\.cut_min must not be above"):
        half_face.Settings(cut_min=0.6)
