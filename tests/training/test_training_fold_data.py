"""Rows, labels and pixels of a fold."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fold_factory import FAULTY_ROW, NUM_EVAL, TinyRun

from maskcls.core.task import Part, Task
from maskcls.pixels.cache import open_cache
from maskcls.store.run import PSEUDO, TABLE
from maskcls.store.tables import read_table, write_table
from maskcls.training.fold_data import open_pixels, read_fold_data


def test_training_and_validation_rows_are_all_that_could_be_decoded(fold_factory: TinyRun) -> None:
    data = read_fold_data(fold_factory.job)
    train = set(data.training.rows.tolist())
    held_out = set(data.held_out.tolist())
    assert not train & held_out
    assert train | held_out == set(range(len(data.labels))) - {FAULTY_ROW}


def test_no_person_is_in_both(fold_factory: TinyRun) -> None:
    data = read_fold_data(fold_factory.job)
    group = data.labelled.group
    assert not set(group[data.training.rows].tolist()) & set(group[data.held_out].tolist())


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


# ---- images with pseudo-labels -------------------------------------------------------------------


def with_pseudo_labels(run: TinyRun, labels: dict[int, int]) -> TinyRun:
    """The run with labels of eval images in fold 0; labels: class of each row."""
    frame = pd.DataFrame(
        {"row": list(labels), "fold": np.zeros(len(labels), np.int16), "label": labels.values()}
    )
    write_table(run.folder, PSEUDO, frame)
    return replace(run, job=run.with_config("rows", pseudo_labels="runs/teacher"))


def test_a_pseudo_label_has_the_median_age_of_its_group_in_training(fold_factory: TinyRun) -> None:
    run = with_pseudo_labels(fold_factory, {1: 0, 2: 13, 4: 17})
    data = read_fold_data(run.job)
    start = len(data.labels)
    assert data.labelled.classes[start:].tolist() == [0, 0, 13, 0, 17]
    # The groups' people are 25, 45 and 60. Rows without a label are placeholders.
    assert data.labelled.ages[start:].tolist() == [25, 25, 45, 25, 60]
    assert data.labelled.group[start:].tolist() == [-1] * NUM_EVAL
    assert [row for row in data.training.rows if row >= start] == [start + 1, start + 2, start + 4]


def test_a_pseudo_label_of_a_group_without_training_images_has_the_tasks_mean_age(
    fold_factory: TinyRun,
) -> None:
    table = read_table(fold_factory.folder, TABLE)
    table["train_label"] = table["train_label"] // 3 * 3  # nobody is 30 or older
    write_table(fold_factory.folder, TABLE, table)
    data = read_fold_data(with_pseudo_labels(fold_factory, {1: 1, 2: 3}).job)
    assert data.labelled.ages[len(data.labels) :][[1, 2]].tolist() == [39, 45]


def test_a_pseudo_label_of_a_task_without_ages_has_none(fold_factory: TinyRun) -> None:
    classes = tuple(str(k) for k in range(18))
    task = Task("plain", (Part("label", classes),))
    run = with_pseudo_labels(fold_factory, {1: 16})
    data = read_fold_data(replace(run.job, task=task))
    assert data.labelled.classes[len(data.labels) + 1] == 16
    assert not data.labelled.ages[len(data.labels) :].any()
