"""What every transform promises (maskcls.augment.base); a new file in the folder is covered without a
line here.
"""

import ast
import dataclasses
import importlib
import pkgutil
import typing
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from image_factory import CONTEXT, LAST, draws, images
from pydantic import TypeAdapter, ValidationError

import maskcls.augment.transforms
from maskcls.augment.partners import Partner

NAMES = sorted(found.name for found in pkgutil.iter_modules(maskcls.augment.transforms.__path__))
SIZES = [(64, 48), (33, 47)]


def load(name: str) -> ModuleType:
    return importlib.import_module(f"maskcls.augment.transforms.{name}")


MIXING = [name for name in NAMES if getattr(load(name), "MIXES", False)]


def apply(
    name: str, pixels_BCHW: torch.Tensor, partner_BCHW: torch.Tensor, draws_BD: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Any transform with its defaults; the share is 1 where nothing mixes."""
    module = load(name)
    made = module.build(module.Settings(), CONTEXT)
    if name in MIXING:
        mixed: tuple[torch.Tensor, torch.Tensor] = made(pixels_BCHW, partner_BCHW, draws_BD)
        return mixed
    return made(pixels_BCHW, draws_BD), torch.ones(len(pixels_BCHW))


def batch(name: str, size: tuple[int, int], seed: int = 0, count: int = 6) -> list[torch.Tensor]:
    """Images, partners and draws."""
    return [
        images(count, *size, seed=seed),
        images(count, *size, seed=seed + 1),
        draws(count, load(name).NUM_DRAWS, seed=seed),
    ]


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
@settings(deadline=None, max_examples=5)
def test_order_of_the_batch_does_not_matter(name: str, seed: int, size: tuple[int, int]) -> None:
    given = batch(name, size, seed)
    order = torch.randperm(len(given[0]), generator=torch.Generator().manual_seed(seed))
    changed, share = apply(name, *given)
    again, share_again = apply(name, *(x[order] for x in given))
    torch.testing.assert_close(again, changed[order], rtol=0, atol=1e-3)
    assert torch.equal(share_again, share[order])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_alone_becomes_what_it_becomes_in_a_batch(
    name: str, size: tuple[int, int]
) -> None:
    given = batch(name, size, seed=3, count=8)
    changed, share = apply(name, *given)
    for i in range(len(changed)):
        alone, share_alone = apply(name, *(x[i : i + 1] for x in given))
        torch.testing.assert_close(alone[0], changed[i], rtol=0, atol=1e-3)
        assert share_alone[0] == share[i]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_something_changes_and_nothing_is_written_to(name: str, size: tuple[int, int]) -> None:
    given = batch(name, size)
    given[2][0, 0] = 0  # the first draw is the one that decides, if any does
    before = [x.clone() for x in given]
    changed, _ = apply(name, *given)
    assert not torch.equal(changed, given[0])
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))
    changed.fill_(0)  # the result shares no memory with the argument
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_torchs_own_random_stream_is_neither_read_nor_moved(name: str) -> None:
    given = batch(name, (33, 47))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, _ = apply(name, *given)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, _ = apply(name, *given)
    assert torch.equal(first, again)


@pytest.mark.parametrize("draw", [0.0, 0.25, 0.5, LAST])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_result_is_an_image_even_at_the_ends_of_the_draws(
    name: str, size: tuple[int, int], draw: float
) -> None:
    pixels, partner, drawn = batch(name, size)
    pixels[1], pixels[2] = 0, 255
    partner[3], partner[2] = 255, 0
    drawn.fill_(draw)
    changed, share = apply(name, pixels, partner, drawn)
    assert changed.dtype == share.dtype == torch.float32
    assert changed.shape == pixels.shape
    assert share.shape == (len(pixels),)
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert ((share >= 0) & (share <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_memory_layout_does_not_matter(name: str) -> None:
    pixels, partner, drawn = batch(name, (33, 47))
    last = torch.channels_last
    wanted, _ = apply(name, pixels, partner, drawn)
    found, _ = apply(
        name, pixels.to(memory_format=last), partner.to(memory_format=last), drawn
    )  # fmt: skip
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(load(n).Settings, "prob")])
def test_prob_0_leaves_all_images_as_they_are(name: str) -> None:
    pixels, partner, drawn = batch(name, (33, 47))
    drawn[0] = 0
    made = load(name).build(load(name).Settings(prob=0.0), CONTEXT)
    if name in MIXING:
        found, share = made(pixels, partner, drawn)
        assert (share == 1).all()
    else:
        found = made(pixels, drawn)
    assert torch.equal(found, pixels)


@pytest.mark.parametrize("name", MIXING)
@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
@settings(deadline=None, max_examples=10)
def test_share_is_what_is_left_of_the_image(name: str, seed: int, size: tuple[int, int]) -> None:
    _, _, drawn = batch(name, size, seed)
    white, black = torch.full((len(drawn), 3, *size), 255.0), torch.zeros(len(drawn), 3, *size)
    mixed, share = apply(name, white, black, drawn)
    left_B = mixed.double().mean(dim=(1, 2, 3)) / 255
    torch.testing.assert_close(share.double(), left_B, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_what_the_pipeline_asks(name: str) -> None:
    module = load(name)
    assert isinstance(module.NUM_DRAWS, int)
    assert module.STAGE in {10, 20, 30, 40, 50}
    assert (module.STAGE == 40) == (name in MIXING)
    if name in MIXING:
        assert module.partner(module.Settings()) == "all"
        assert module.partner(module.Settings(partner="old")) == "old"
        hint = typing.get_type_hints(module.Settings, include_extras=True)["partner"]
        assert hint == Partner


@pytest.mark.parametrize("name", NAMES)
def test_settings_have_bounds_and_literal_defaults(name: str) -> None:
    module = load(name)
    made = module.Settings()
    assert made == TypeAdapter(module.Settings).validate_python({})
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    (body,) = [n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings"]
    read = {
        n.target.id: ast.literal_eval(n.value)
        for n in body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and n.value
    }
    assert read == dataclasses.asdict(made)
    for field in read:
        with pytest.raises(ValidationError):
            TypeAdapter(module.Settings).validate_python({field: -1})
