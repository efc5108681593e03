"""Streams of random bits: as NumPy's own generators have them, and independent of one another."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.core.random_streams import Stream, sequence, tickets, uniform

STREAMS: tuple[Stream, ...] = get_args(Stream)
few = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


@few
@given(seeds, st.integers(0, 50), st.integers(0, 50))
def test_the_first_of_a_longer_draw_are_those_of_a_shorter_one(
    seed: int, short: int, more: int
) -> None:
    longer = tickets(short + more, "order", seed, 1, 2)
    assert longer.dtype == np.uint64
    assert longer[:short].tolist() == tickets(short, "order", seed, 1, 2).tolist()


@few
@given(seeds, st.sampled_from(STREAMS))
def test_uniform_numbers_are_those_of_numpys_generator(seed: int, stream: Stream) -> None:
    generator = np.random.Generator(np.random.PCG64(sequence(stream, seed, 3)))
    found = uniform(tickets(20, stream, seed, 3))
    assert found.tolist() == generator.random(20).tolist()


def test_uniform_numbers_lie_below_one() -> None:
    ends = uniform(np.array([0, 2**64 - 1, 2**63], np.uint64))
    assert ends.tolist() == [0.0, 1 - 2.0**-53, 0.5]


def test_no_two_streams_share_bits() -> None:
    # Seed, fold, epoch; a copy's number from 1 comes as a fourth.
    numbers = [*product(range(3), repeat=3), *product(range(3), range(3), range(3), (1, 2))]
    first = [int(tickets(1, stream, *n)[0]) for stream in STREAMS for n in numbers]
    assert len(set(first)) == len(STREAMS) * len(numbers)


@pytest.mark.parametrize(
    ("stream", "bits"),
    [
        ("initial values", 3926188692038830846),
        ("order", 16122711168800533484),
        ("epoch", 14992487559543968093),
        ("augment", 7959428946637411312),
        ("mask images", 15698713908019293742),
        ("sampler", 15597422623742220317),
    ],
)
def test_streams_do_not_change_between_versions(stream: Stream, bits: int) -> None:
    # Written down once: NumPy promises PCG64's stream, and a change here changes every run.
    assert int(tickets(3, stream, 7, 2, 5)[2]) == bits
