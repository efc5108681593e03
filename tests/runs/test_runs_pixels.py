"""A run's decoded images: what must exist to collect it, and its faults by name."""

from pathlib import Path

import numpy as np
import pytest

from maskcls.config.resolve import resolve
from maskcls.pixels.cache import CachedPixels
from maskcls.runs.dataset import DataSet
from maskcls.runs.pixels import RunPixels
from maskcls.store.folder import Folder
from tests.conftest import Heard
from tests.runs.reading import read_data_set


@pytest.fixture(scope="module")
def data_set(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return read_data_set(Folder.at(drawn), tmp_path_factory.mktemp("digests"))


def cached(faults: dict[int, str]) -> CachedPixels:
    return CachedPixels(np.zeros((1, 1, 1, 3), np.uint8), faults, ())


def test_before_decoding_nothing_is_there(data_set: DataSet, tmp_path: Path, heard: Heard) -> None:
    images = RunPixels(data_set, None, resolve("smoke").image, tmp_path, heard)
    assert images.there() is None
    assert images.eval_place is not None
    assert images.extra_place is None
    assert images.place.folder != images.eval_place.folder


def test_faults_have_the_names_that_a_user_knows(
    data_set: DataSet, tmp_path: Path, heard: Heard
) -> None:
    images = RunPixels(data_set, None, resolve("smoke").image, tmp_path, heard)
    found = images.faults(cached({3: "not a JPEG"}), cached({0: "the file is missing"}))
    assert found.train == {data_set.train.paths.iloc[3]: "not a JPEG"}
    assert data_set.table.eval_images is not None
    assert found.eval == {data_set.table.eval_images["image"].iloc[0]: "the file is missing"}
    assert found.extra == {}
    assert images.faults(cached({}), None).eval == {}
