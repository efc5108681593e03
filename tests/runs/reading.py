"""A data folder read as prepare reads it."""

from pathlib import Path

from maskcls.data.table import read_data
from maskcls.runs.dataset import DataSet, fingerprinted
from maskcls.store.folder import Folder


def read_data_set(data: Folder, cache: Path) -> DataSet:
    """The table of a folder, of whichever task, with the digests of its images."""
    return fingerprinted(data, read_data(data), cache)
