"""The table of draws and the field of numbers per pixel: what they follow and what they depend on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from maskcls.augment import draws

PINNED = [[0.7339380722264964, 0.73710826512603], [0.5347568026940072, 0.7603816983846222]]
LEAST, LARGEST = 3072442989796310, 2673310278344579
HERE = {"name": "flip", "num_rows": 50, "num_draws": 3, "seed": 1, "fold": 2, "epoch": 3, "copy": 0}


def test_table_is_uniform() -> None:
    found = draws.table("flip", 20_000, 3, 0, 0, 0)
    assert found.shape == (20_000, 3)
    assert found.dtype == np.float64
    assert found.min() >= 0
    assert found.max() < 1
    for column in found.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    correlation = np.corrcoef(np.column_stack([found[1:], found[:-1]]).T) - np.eye(6)
    assert np.abs(correlation).max() < 4 / np.sqrt(len(found))


@given(few=st.integers(0, 60), more=st.integers(0, 60), columns=st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_rows_do_not_depend_on_how_many_follow(few: int, more: int, columns: int) -> None:
    short = draws.table("flip", few, columns, 5, 1, 2)
    long = draws.table("flip", few + more, columns, 5, 1, 2)
    np.testing.assert_array_equal(short, long[:few])


@pytest.mark.parametrize(
    "other",
    [{"name": "blur"}, {"seed": 2}, {"seed": 2**32 + 1}, {"fold": 3}, {"epoch": 4}, {"copy": 1}],
)
def test_another_place_has_other_numbers(other: dict[str, int | str]) -> None:
    here = draws.table(**HERE)  # type: ignore[arg-type]
    there = draws.table(**HERE | other)  # type: ignore[arg-type]
    assert not np.isin(there, here).any()


def test_places_with_the_same_numbers_in_another_order_differ() -> None:
    orders = [(1, 2, 3, 0), (2, 1, 3, 0), (1, 3, 2, 0), (0, 2, 3, 1), (3, 2, 1, 0)]
    found = [draws.table("flip", 4, 2, *order) for order in orders]
    assert len(np.unique(found)) == 4 * 2 * len(orders)


def test_the_same_place_has_the_same_numbers() -> None:
    np.testing.assert_array_equal(draws.table(**HERE), draws.table(**HERE))  # type: ignore[arg-type]


def test_table_stays_what_it_was() -> None:
    """The draws are part of every result: numbers of one run, written down."""
    found = draws.table("flip", 2, 2, 0, 0, 0)
    np.testing.assert_array_equal(found, PINNED)


def splitmix64(state: int, count: int) -> list[int]:
    """Steele, Lea, Flood 2014, in whole numbers of Python: the outputs from a state on."""
    mask, out = 2**64 - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        out.append(finalised(state))
    return out


def finalised(z: int) -> int:
    mask = 2**64 - 1
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_reference_is_the_published_generator() -> None:
    # The first outputs from state 1234567, as in Vigna's splitmix64.c and Rosetta Code.
    assert splitmix64(1234567, 3) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(bits=st.integers(0, 2**53 - 1))
@settings(deadline=None, max_examples=30)
def test_field_is_splitmix64(bits: int) -> None:
    seed = bits * 2.0**-53
    found = draws.field(torch.tensor([seed], dtype=torch.float64), (3, 5))
    wanted = np.array(splitmix64(finalised(bits), 15), dtype=np.uint64) * 2.0**-64
    assert found.shape == (1, 3, 5)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.flatten().double(), wanted, rtol=0, atol=2.0**-23)


def test_field_is_uniform_and_its_pixels_are_independent() -> None:
    seed = torch.from_numpy(draws.table("noise", 4, 1, 0, 0, 0)[:, 0])
    found = draws.field(seed, (3, 100, 100)).double()
    each = found.flatten(1)
    assert stats.kstest(found.flatten().numpy(), "uniform").pvalue > 1e-3
    error = 1 / np.sqrt(each.shape[1])
    torch.testing.assert_close(each.mean(1), torch.full((4,), 0.5).double(), rtol=0, atol=2 * error)
    torch.testing.assert_close(
        each.var(1), torch.full((4,), 1 / 12).double(), rtol=0, atol=0.4 * error
    )
    # Images with one another, and each with its own neighbours across, down and in colour.
    pairs = [each.corrcoef().fill_diagonal_(0).abs().max()]
    for a, b in [
        (found[..., 1:], found[..., :-1]),
        (found[..., 1:, :], found[..., :-1, :]),
        (found[:, 1:], found[:, :-1]),
    ]:
        pairs.append(torch.stack([a.flatten(), b.flatten()]).corrcoef()[0, 1].abs())
    assert max(pairs) < 4 * error


def test_field_of_an_image_does_not_depend_on_the_others_and_begins_alike_in_any_shape() -> None:
    seed = torch.tensor([0.0, 0.3, 2.0**-53, 1 - 2.0**-53], dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    found = draws.field(seed, (3, 7))
    assert torch.equal(draws.field(seed[order], (3, 7)), found[order])
    assert torch.equal(draws.field(seed[1:2], (3, 7)), found[1:2])
    assert torch.equal(draws.field(seed, (30,))[:, :21], found.flatten(1))
    assert len(found.unique()) > 80  # neighbouring seeds share nothing


def test_field_never_reaches_0_or_1() -> None:
    # Seeds whose first pixel has the least and the largest bits there can be, found by running the
    # generator backwards; a logarithm of either end is where Box and Muller break.
    seed = torch.tensor([LEAST, LARGEST], dtype=torch.float64) * 2.0**-53
    least, largest = draws.field(seed, (1,)).flatten().tolist()
    assert 0 < least < 2.0**-22
    assert 1 - 2.0**-22 < largest < 1
