"""Which rows make a batch, and that their pixels arrive as they are."""

import numpy as np
import pytest
import torch
from fold_factory import TinyRun
from hypothesis import given
from hypothesis import strategies as st

from maskcls.pixels.cache import open_cache
from maskcls.training.feed import Feed, batches_of_epoch, share_of_rank

CPU = torch.device("cpu")


@given(st.integers(1, 400), st.integers(2, 70))
def test_every_row_is_in_one_batch_and_batches_are_even(num_rows: int, batch_size: int) -> None:
    rows = np.arange(num_rows)[::-1].copy()
    batches = batches_of_epoch(rows, batch_size)
    sizes = [len(batch) for batch in batches]
    assert np.array_equal(np.concatenate(batches), rows)
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size
    assert len(batches) == -(-num_rows // batch_size)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 4))
def test_no_batch_is_below_the_smallest_where_the_rows_allow_it(
    num_rows: int, batch_size: int, smallest: int
) -> None:
    rows = np.arange(num_rows)
    plain = batches_of_epoch(rows, batch_size)
    found = batches_of_epoch(rows, batch_size, smallest)
    assert np.array_equal(np.concatenate(found), rows)
    if min(map(len, plain)) >= smallest:  # nothing was wrong: they stay as they were
        assert [batch.tolist() for batch in found] == [batch.tolist() for batch in plain]
    else:
        assert min(map(len, found)) >= min(smallest, num_rows)
        assert max(map(len, found)) < max(2 * smallest, batch_size + 1)


def test_no_rows_make_no_batch() -> None:
    assert batches_of_epoch(np.arange(0), 4) == []


@given(st.integers(0, 100), st.integers(1, 9))
def test_shares_of_the_workers_are_the_whole_batch(num_rows: int, world: int) -> None:
    batch = np.arange(num_rows)
    shares = [share_of_rank(batch, index, world) for index in range(world)]
    sizes = [len(share) for share in shares]
    assert np.array_equal(np.concatenate(shares), batch)
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 8), st.integers(1, 500), st.integers(0, 100))
def test_no_worker_is_left_without_rows(world: int, num_rows: int, more: int) -> None:
    batch_size = 2 * world + more  # the least that the configuration allows
    if num_rows >= world:
        batches = batches_of_epoch(np.arange(num_rows), batch_size)
        assert min(len(share_of_rank(b, world - 1, world)) for b in batches) >= 1


@pytest.mark.parametrize("channels_last", [True, False])
def test_pixels_are_those_of_plain_indexing(fold_factory: TinyRun, channels_last: bool) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    batches = [np.array([5, 0, 35]), np.array([7]), np.array([1, 1])]
    found = list(Feed([cached.pixels], CPU, channels_last).batches(batches))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for rows, pixels_BCHW in zip(batches, found, strict=True):
        assert np.array_equal(pixels_BCHW.numpy(), cached.pixels[rows].transpose(0, 3, 1, 2))
        assert pixels_BCHW.is_contiguous(memory_format=layout)


def test_rows_of_several_sources_are_numbered_through(fold_factory: TinyRun) -> None:
    first, second = (
        open_cache(p) for p in (fold_factory.job.pixels, fold_factory.job.eval_pixels) if p
    )
    assert first is not None
    assert second is not None
    rows = np.array([len(first.pixels) + 2, 5, len(first.pixels), 0])
    (found,) = Feed([first.pixels, second.pixels], CPU, True).batches([rows])
    wanted = np.concatenate([first.pixels, second.pixels])[rows]
    assert np.array_equal(found.numpy(), wanted.transpose(0, 3, 1, 2))


def test_no_batches_give_none(fold_factory: TinyRun) -> None:
    cached = open_cache(fold_factory.job.pixels)
    assert cached is not None
    assert list(Feed([cached.pixels], CPU, True).batches([])) == []
