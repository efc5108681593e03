"""Rows, labels and pixels of a fold."""

import numpy as np
import pytest
from fold_factory import FAULTY_ROW, TinyRun

from maskcls.pixels.cache import open_cache
from maskcls.training.fold_data import open_pixels, read_fold_data


def test_training_and_validation_rows_are_all_that_could_be_decoded(fold_factory: TinyRun) -> None:
    data = read_fold_data(fold_factory.job)
    train = set(data.training.rows.tolist())
    held_out = set(data.held_out.tolist())
    assert not train & held_out
    assert train | held_out == set(range(len(data.labels))) - {FAULTY_ROW}


def test_no_person_is_in_both(fold_factory: TinyRun) -> None:
    data = read_fold_data(fold_factory.job)
    person = data.labelled.person
    assert not set(person[data.training.rows].tolist()) & set(person[data.held_out].tolist())


def test_sources_are_the_pixels_of_the_row_numbers(fold_factory: TinyRun) -> None:
    data, cached = read_fold_data(fold_factory.job), open_cache(fold_factory.job.pixels)
    assert cached is not None
    (pixels,) = data.sources
    assert np.array_equal(pixels, cached.pixels)
    assert len(data.labelled.classes) == len(pixels)


def test_missing_pixels_are_an_error(fold_factory: TinyRun) -> None:
    (fold_factory.job.pixels.folder / "pixels.u8").unlink()
    with pytest.raises(RuntimeError, match="missing or damaged; run again"):
        open_pixels(fold_factory.job.pixels)
